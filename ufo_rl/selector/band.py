"""A band of the pool by confidence: the experiment of the paper's figure 1, which trains on one tenth after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Band:
    """Prompts between two quantiles of confidence first (0 the lowest, 1 the highest), those nearest to the band next.

    Within the band the seeded hash of the id decides. The quantile of a prompt is (rank - 1/2) / n, ties averaged.
    """

    low: float
    high: float
    signals: ClassVar[tuple[str, ...]] = ("confidence",)
    keeps_all: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"low={self.low}, high={self.high} must be 0 <= low < high <= 1")

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        from scipy.stats import rankdata

        quantile = (rankdata(columns["log_confidence"]) - 0.5) / len(columns["log_confidence"])
        return np.maximum(np.maximum(self.low - quantile, quantile - self.high), 0.0)
