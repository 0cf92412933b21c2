"""The table of an evaluation: a row a benchmark, then what several samples say, then levels and subjects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ufo_rl.report.text import count, fit, interval, percent, table

FAILURES = ("timeouts", "stalled", "crashes")
HEADER = ["benchmark", "n", "samples", "accuracy %", "95 %", "unparsed", "truncated", *FAILURES, "tokens"]


def evaluation_table(summaries: Sequence[Mapping[str, Any]]) -> str:
    """`summaries` as `evaluation.summarise` makes them. Shares are in percent; unparsed to crashes count answers, all of
    them wrong; tokens are the mean of a completion."""
    rows = [
        [
            one["benchmark"] + (" (subset)" if one["is_subset"] else ""),
            count(one["n"]),
            count(one["num_samples"]),
            percent(one["accuracy"]),
            interval(one["ci_low"], one["ci_high"]),
            *(count(one.get(name)) for name in ("unparsed", "truncated", *FAILURES)),
            f"{one['mean_tokens']:.1f}",
        ]
        for one in summaries
    ]
    lines = [table(HEADER, rows)]
    for one in summaries:
        lines += _samples(one) + _groups(one, "level") + _groups(one, "subject")
    return fit("\n".join(lines))


def _samples(one: Mapping[str, Any]) -> list[str]:
    """avg@8 41.2 [38.0, 44.5], pass@1 .., maj@8 ..: in the order of the summary."""
    names = [name for name in one if re.fullmatch(r"(avg|pass|maj)_at_\d+", name)]
    shown = [
        f"{name.replace('_at_', '@')} {percent(one[name])} {interval(one[f'{name}_ci_low'], one[f'{name}_ci_high'])}"
        for name in names
    ]
    return [f"{one['benchmark']}: {', '.join(shown)}"] if shown else []


def _groups(one: Mapping[str, Any], by: str) -> list[str]:
    groups = one[f"by_{by}"]
    shown = [f"{group['label']} {percent(group['accuracy'])} (n {count(group['n'])})" for group in groups]
    return [f"{one['benchmark']} by {by}: {', '.join(shown)}"] if len(shown) > 1 else []
