"""The expensive reference: multi-sample accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Accuracy:
    """Sampled pass rate nearest to `center` first. K samples have K + 1 levels, so ties decide much of a small budget."""

    center: float
    signals: ClassVar[tuple[str, ...]] = ("pass_rate",)
    keeps_all: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.center <= 1:
            raise ValueError(f"center={self.center} must be in [0, 1]")

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        # 0.3 and 0.7 are equally far from 0.5; in floating point they are not
        return np.round(np.abs(columns["pass_rate"] - self.center), 12)
