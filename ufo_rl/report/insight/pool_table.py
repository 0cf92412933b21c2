"""scores.parquet of a run as numpy columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.disk.tables import rows_of

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
    """The pool of a run; None where it has no table of scores with a selection."""
    path = run.folder / "scores.parquet"
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else None


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
