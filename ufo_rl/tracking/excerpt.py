"""Which rows of the local tables go to W&B, and how their cells look there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

# W&B cuts longer tables without a word.
MAX_ROWS = 10_000
# Of a longer score table: so many of the kept and so many of the others, of each so many from the ends of the order.
NUM_OF_A_SIDE, NUM_OF_AN_END = 1000, 250
# Cells longer than this make a table slow to open; the files of the run folder hold the full text.
MAX_CELL_CHARS = 500

Table = dict[str, list[Any]]


def read_columns(path: Path, names: Sequence[str] | None = None) -> Table:
    """The named columns of a Parquet table, or all."""
    return pq.read_table(path, columns=None if names is None else list(names)).to_pydict()


def sample_scores(columns: Table, questions: Mapping[str, str], signals: Sequence[str]) -> Table:
    """The rows of the score table that `sample` takes, in the order of the first of the signals (of id where there is
    none), with the question of each prompt as last column."""
    order = next((columns[name] for name in signals if name in columns), columns["id"])
    rows = sample(order, columns.get("kept"))
    table = {name: [values[row] for row in rows] for name, values in columns.items()}
    table["question"] = [questions.get(prompt_id, "") for prompt_id in table["id"]]
    return table


def sample(order: Sequence[Any], kept: Sequence[bool] | None = None) -> list[int]:
    """Row numbers in ascending `order`; equal ones by row number, missing values last.

    All where W&B holds them; else at most 1,000 of the kept and 1,000 of the others: the 250 lowest and the 250 highest of
    each, which include the ends of the whole, and a random part between (seed 0).
    """
    ranked = sorted(range(len(order)), key=lambda row: (not _is_value(order[row]), order[row] or 0, row))
    if len(ranked) <= MAX_ROWS:
        return ranked
    of = kept if kept is not None else [False] * len(ranked)
    taken = {row for side in (True, False) for row in _side([row for row in ranked if bool(of[row]) is side])}
    return [row for row in ranked if row in taken]


def _side(ranked: list[int]) -> list[int]:
    if len(ranked) <= NUM_OF_A_SIDE:
        return ranked
    middle = ranked[NUM_OF_AN_END:-NUM_OF_AN_END]
    picked = np.random.default_rng(0).choice(len(middle), size=NUM_OF_A_SIDE - 2 * NUM_OF_AN_END, replace=False)
    return ranked[:NUM_OF_AN_END] + [middle[i] for i in picked] + ranked[-NUM_OF_AN_END:]


def shares(sampled: Table, whole: Table) -> dict[str, int]:
    """How many rows, and kept rows, a sample has of how many: nobody should read it as the pool."""
    return {
        "rows": len(sampled["id"]),
        "of_rows": len(whole["id"]),
        "kept": sum(map(bool, sampled.get("kept", ()))),
        "of_kept": sum(map(bool, whole.get("kept", ()))),
    }


def cell(value: Any) -> Any:
    """A table cell: long text is cut, lists and mappings become JSON, NaN becomes None (W&B refuses a column of mixed
    types)."""
    if isinstance(value, Mapping | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str):
        return value[:MAX_CELL_CHARS]
    return value if _is_value(value) else None


def _is_value(value: Any) -> bool:
    return value is not None and value == value
