"""scores.parquet of a run as numpy columns."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ufo_rl.errors import UserError
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.disk.tables import rows_of

log = logging.getLogger(__name__)
COLUMNS = (
    "id",
    "question",
    "answer",
    "level",
    "subject",
    "confidence",
    "pass_rate",
    "samples",
    "tokens",
    "rank",
    "kept",
)


# By what was measured, the columns that it has.
MEASURED = {"confidence": ("confidence",), "pass_rate": ("pass_rate", "samples")}


@dataclass(frozen=True)
class Scored:
    """A pool with what is known of each prompt; arrays of one length, in the order of the ids. `confidence`, `pass_rate` and
    `samples` are None where they are not stored."""

    ids: np.ndarray
    questions: Sequence[str]
    answers: Sequence[str]
    levels: Sequence[str]
    subjects: Sequence[str]
    tokens: np.ndarray
    kept: np.ndarray
    rank: np.ndarray
    confidence: np.ndarray | None
    pass_rate: np.ndarray | None
    samples: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)


def scored(run: Run) -> Scored | None:
    """The pool of a run; None where it has no table of scores with a selection, or a broken one."""
    path = run.folder / "scores.parquet"
    try:
        return _read(path, path.stat().st_mtime_ns) if path.is_file() else None
    except UserError as error:
        log.warning("%s; its selection is left out", error.problems[0])
        return None


def completed(pools: Sequence[Scored]) -> list[Scored]:
    """The same, with what one of them has measured of a prompt told of it in the others too: arms of one model and pool."""
    known: dict[str, dict[str, dict[str, float]]] = {name: {} for name in MEASURED}
    for pool in pools:
        for name, columns in MEASURED.items():
            if getattr(pool, name) is not None:
                values = zip(pool.ids.tolist(), *(getattr(pool, one).tolist() for one in columns), strict=True)
                known[name] |= {key: dict(zip(columns, own, strict=True)) for key, *own in values}
    return [
        replace(pool, **{k: v for name in MEASURED for k, v in _filled(pool, name, known[name]).items()})
        for pool in pools
    ]


def _filled(pool: Scored, name: str, known: Mapping[str, Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Columns that the pool lacks, where all its prompts are known."""
    if getattr(pool, name) is not None or not known or any(key not in known for key in pool.ids.tolist()):
        return {}
    return {one: np.array([known[key][one] for key in pool.ids.tolist()]) for one in MEASURED[name]}


@lru_cache(maxsize=128)
def _read(path: Path, changed: int) -> Scored | None:
    rows = rows_of(path, COLUMNS)
    if not rows or "kept" not in rows[0]:
        return None

    def texts(name: str) -> list[str]:
        return ["" if (value := row.get(name)) is None else str(value) for row in rows]

    def numbers(name: str) -> np.ndarray | None:
        return np.array([row[name] for row in rows], dtype=float) if name in rows[0] else None

    tokens: Any = numbers("tokens")
    return Scored(
        ids=np.array(texts("id")),
        questions=texts("question"),
        answers=texts("answer"),
        levels=texts("level"),
        subjects=texts("subject"),
        tokens=np.zeros(len(rows)) if tokens is None else tokens,
        kept=np.array([bool(row["kept"]) for row in rows]),
        rank=np.array([row["rank"] for row in rows]),
        confidence=numbers("confidence"),
        pass_rate=numbers("pass_rate"),
        samples=numbers("samples"),
    )
