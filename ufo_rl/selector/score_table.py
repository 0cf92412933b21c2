"""The selection as files: every prompt with what is known of it and what became of it, and the kept ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ufo_rl.files.atomic import write_json, write_table
from ufo_rl.selector.cut import Selection
from ufo_rl.selector.ufo import fuzziness


def write_selection(
    folder: Path, about: Mapping[str, Any], columns: dict[str, np.ndarray], selection: Selection
) -> None:
    """Write scores.parquet (the columns, rank and kept) and selection.json (`about` the selector, and the kept ids)."""
    write_table(folder / "scores.parquet", score_table(columns, selection))
    write_json(
        folder / "selection.json",
        {
            **about,
            "num_pool": selection.num_pool,
            "num_kept": len(selection.ids),
            "tie_share": selection.tie_share,
            "near_cut": selection.near_cut,
            "ids": selection.ids,
        },
    )


def score_table(columns: dict[str, np.ndarray], selection: Selection) -> pa.Table:
    """One row per prompt, sorted by id: the same bytes whatever order the pool came in."""
    data = dict(columns)
    order = np.argsort(data["id"])
    if "confidence" in data:
        data["fuzziness"] = np.empty(len(order))
        data["fuzziness"][order] = fuzziness(data["confidence"][order])
    kept = set(selection.ids)
    data["rank"] = selection.rank
    data["kept"] = np.array([i in kept for i in data["id"].tolist()])
    return pa.table({name: pa.array(values[order]) for name, values in data.items()})
