"""Selectors: which prompts to keep first. Cheap and pure; the model's measurements arrive as columns."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np


class Selector(Protocol):
    """A rule that orders the pool.

    `signals` names the signals whose columns it needs. `sort_key` gets numpy columns of length n (float64) under the
    signals' column names plus `id` (str), and returns one number per row: the smallest is kept first, equal numbers are
    decided by a seeded hash of the id. `keeps_all` makes the ratio irrelevant.
    """

    signals: ClassVar[tuple[str, ...]]
    keeps_all: ClassVar[bool]

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray: ...
