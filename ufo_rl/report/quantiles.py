"""What a scoring says of a pool as a whole: how its numbers are spread, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ufo_rl.report.text import count, seconds, table

QUANTILES = {"min": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}


def measures(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Of each named column of numbers: how many are finite, their mean and quantiles (linear between neighbours). Columns
    without such a number are left out."""
    found = {}
    for name in names:
        if columns[name].dtype.kind not in "iuf":
            continue
        values = columns[name][np.isfinite(columns[name])]
        if values.size:
            spread = {label: float(np.quantile(values, share)) for label, share in QUANTILES.items()}
            found[name] = {"n": int(values.size), "mean": float(values.mean()), **spread}
    return found


def measures_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """A row a column."""
    header = ["column", "n", "mean", *QUANTILES]
    return table(header, [[name, *(_cell(one[key]) for key in header[1:])] for name, one in found.items()])


def costs_told(costs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of each signal what was measured now and what was stored, and the seconds that all of it took when it was measured."""
    return [
        f"{name}: {count(one['num_scored'])} measured, {count(one['num_cached'])} found stored; "
        f"{seconds(one['cost_seconds'])} s when measured"
        for name, one in costs.items()
    ]


def _cell(value: float) -> str:
    return count(value) if isinstance(value, int) else f"{value:.4g}"
