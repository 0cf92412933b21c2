"""The control of equal size: a seeded draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Uniform:
    """All prompts tie, so the seeded hash of the id decides alone: a uniform draw without replacement."""

    signals: ClassVar[tuple[str, ...]] = ()
    keeps_all: ClassVar[bool] = False

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return np.zeros(len(columns["id"]))
