"""One bin of the pool by pass rate: the paper's figure 1 trains on each of ten in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Bin:
    """Prompts whose sampled pass rate lies in the bin `number` (0 the lowest) of `bins` equally wide ones first, in an
    order that the seeded hash of the id decides; those nearest to it next, where it holds too few. A bin has its lower end, the
    last both."""

    number: int
    bins: int
    signals: ClassVar[tuple[str, ...]] = ("pass_rate",)
    keeps_all: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.bins:
            raise ValueError(f"number={self.number}, bins={self.bins} must be 0 <= number < bins")

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        rates = columns["pass_rate"]
        # 0.3 of ten bins is the lower end of the fourth, whatever 10 * 0.3 is in floating point
        own = np.minimum(np.floor(np.round(rates * self.bins, 9)), self.bins - 1)
        low, high = self.number / self.bins, (self.number + 1) / self.bins
        outside = np.maximum(np.maximum(low - rates, rates - high), 0.0)
        return np.where(own == self.number, -1.0, np.round(outside, 12))
