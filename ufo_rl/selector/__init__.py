"""Selectors: which prompts to keep first. Cheap and pure; the model's measurements arrive as columns."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np


class Selector(Protocol):
    """A rule that orders the pool.

    `signals` names the signals whose columns it needs. `sort_key` gets numpy columns of length n by name: those of the
    signals, those of the pool (id, question, answer, solution, level, subject, tokens) and what the dataset brought
    besides. It returns one number per row: the smallest is kept first, equal numbers are decided by a seeded hash of the
    id. `keeps_all` makes the ratio irrelevant. A selector may also say in `columns` which columns it reads: one that
    nobody has is then told before anything is measured.
    """

    signals: ClassVar[tuple[str, ...]]
    keeps_all: ClassVar[bool]

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray: ...


@runtime_checkable
class Bounded(Protocol):
    """What a selector may add: how far its keys move when what was measured moves within its tolerance.

    `key_bounds` gets the columns of `sort_key` and returns the lowest and highest key of each row, each of shape (n,);
    infinities are allowed. Rows that could change sides are counted by it; without it, those within 1e-5 of the cut.
    """

    def key_bounds(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]: ...


def named_columns(selector: Selector) -> tuple[str, ...]:
    """The columns that a selector says it reads."""
    return tuple(getattr(selector, "columns", ()))
