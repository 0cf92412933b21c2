"""The pool as a table that people read: every prompt with its text, what is known of it and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ufo_rl.files.atomic import write_json, writing
from ufo_rl.records import OWN, TEXTS, Prompt
from ufo_rl.selector.columns import Columns, carried
from ufo_rl.selector.cut import Selection
from ufo_rl.selector.ufo import fuzziness

GROUP_ROWS = 10_000  # of Parquet: so many rows are in memory a second time
OF_THE_SELECTION = ("fuzziness", "rank", "kept")
FORMATS: dict[frozenset[type], pa.DataType] = {
    frozenset({str}): pa.string(),
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),
}


def write_selection(folder: Path, about: Mapping[str, Any], selection: Selection) -> None:
    """Write selection.json: `about` the selector, and the kept ids."""
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


def score_columns(
    prompts: Sequence[Prompt], pool: Columns, measured: Mapping[str, np.ndarray], selection: Selection | None
) -> dict[str, np.ndarray]:
    """The columns of scores.parquet in their order: id, texts (those that any prompt has), what was measured and the
    tokens, what became of the prompt, and what the dataset brought besides."""
    texts = [name for name in TEXTS if name in ("question", "answer") or any(getattr(p, name) for p in prompts)]
    columns = {name: pool[name] for name in ("id", *texts)} | dict(measured)
    if "tokens" not in columns:
        columns["tokens"] = pool["tokens"]
    if "confidence" in columns:
        order = np.argsort(columns["id"])  # sums (the mean) must not depend on the order of the pool
        columns["fuzziness"] = np.empty(len(order))
        columns["fuzziness"][order] = fuzziness(columns["confidence"][order])
    if selection is not None:
        kept = set(selection.ids)
        columns["rank"] = selection.rank
        columns["kept"] = np.array([i in kept for i in columns["id"].tolist()])
    brought = dict.fromkeys(name for prompt in prompts for name in prompt.columns)
    return columns | {new: carried(prompts, name) for name, new in free_names(brought, columns).items()}


def free_names(brought: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, str]:
    """A dataset's columns and what they are called beside ours: `rank_given` where `rank` is one of ours."""
    found: dict[str, str] = {}
    for name in brought:
        new = name
        while new in taken or new in OWN or new in OF_THE_SELECTION or new in found.values():
            new += "_given"
        found[name] = new
    return found


def write_scores(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """One row a prompt, sorted by id: the same bytes whatever order the pool came in. Values of several kinds in one
    column, lists and mappings are written as JSON."""
    order = np.argsort(columns["id"])
    formats = {name: _format(values) for name, values in columns.items()}
    schema = pa.schema([(name, kind) for name, (kind, _) in formats.items()])
    with writing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for begin in range(0, max(len(order), 1), GROUP_ROWS):
            rows = order[begin : begin + GROUP_ROWS]
            cells = {name: values[rows].tolist() for name, values in columns.items()}
            arrays = [_array(cells[name], *formats[name]) for name in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _format(values: np.ndarray) -> tuple[pa.DataType, bool]:
    """What a column is in the file, and whether its cells become JSON for that."""
    if values.ndim == 1 and values.dtype.kind in "iufb":
        return pa.from_numpy_dtype(values.dtype), False
    if values.ndim == 1 and values.dtype.kind == "U":
        return pa.string(), False
    kinds = frozenset(map(type, values.tolist())) - {type(None)}
    known = FORMATS.get(kinds, pa.string())
    if known == pa.int64() and any(value is not None and abs(value) >= 2**63 for value in values):
        return pa.string(), True
    return known, known == pa.string() and not kinds <= {str}


def _array(cells: list[Any], kind: pa.DataType, is_json: bool) -> pa.Array:
    if is_json:
        cells = [None if cell is None else json.dumps(cell, ensure_ascii=False, default=str) for cell in cells]
    try:
        return pa.array(cells, kind)
    except UnicodeEncodeError:  # half a surrogate pair: JSON can hold it, UTF-8 cannot
        return pa.array([None if c is None else c.encode(errors="backslashreplace").decode() for c in cells], kind)
