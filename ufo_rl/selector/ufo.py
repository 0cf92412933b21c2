"""UFO-RL: the prompts that the model finds neither easy nor hard (arXiv 2505.12457)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Ufo:
    """Nearest to the pool's mean confidence first.

    The paper's Score(x) = 1 - (s(x) - mu)^2 is monotone in |s - mu|, which is used as it is: squaring would make
    rows equal in floating point that are not.
    """

    signals: ClassVar[tuple[str, ...]] = ("confidence",)
    keeps_all: ClassVar[bool] = False

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        confidence = columns["confidence"]
        return np.abs(confidence - confidence.mean())
