"""Which rows of the local tables go to W&B, and how their cells look there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

# Sample of the score table: both ends of the order and a random part show it.
NUM_LOWEST, NUM_HIGHEST, NUM_RANDOM = 500, 500, 1000
# W&B cuts longer tables without a word.
MAX_ROWS = 10_000
# Cells longer than this make a table slow to open; the files of the run folder hold the full text.
MAX_CELL_CHARS = 500

Table = dict[str, list[Any]]


def read_columns(path: Path) -> Table:
    """The columns of a Parquet table by name."""
    return pq.read_table(path).to_pydict()


def sample_scores(columns: Table, questions: Mapping[str, str], signals: Sequence[str]) -> Table:
    """At most 2,000 rows of the score table, ascending, with the question of each prompt as last column.

    The 500 lowest, the 500 highest and 1,000 random ones (seed 0) in the order of the first of the signals; of id
    where there is none.
    """
    order = next((columns[name] for name in signals if name in columns), columns["id"])
    rows = sample(order)
    table = {name: [values[row] for row in rows] for name, values in columns.items()}
    table["question"] = [questions.get(prompt_id, "") for prompt_id in table["id"]]
    return table


def sample(order: Sequence[Any]) -> list[int]:
    """At most 2,000 row numbers in ascending `order`; equal ones by row number, missing values last."""
    ranked = sorted(range(len(order)), key=lambda row: (not _is_value(order[row]), order[row] or 0, row))
    middle = ranked[NUM_LOWEST : max(NUM_LOWEST, len(ranked) - NUM_HIGHEST)]
    if len(middle) <= NUM_RANDOM:
        return ranked
    picked = np.random.default_rng(0).choice(len(middle), size=NUM_RANDOM, replace=False)
    return ranked[:NUM_LOWEST] + [middle[i] for i in sorted(picked)] + ranked[-NUM_HIGHEST:]


def cell(value: Any) -> Any:
    """A table cell: long text is cut, NaN becomes None (W&B refuses a column of mixed types)."""
    if isinstance(value, str):
        return value[:MAX_CELL_CHARS]
    return value if _is_value(value) else None


def _is_value(value: Any) -> bool:
    return value is not None and value == value
