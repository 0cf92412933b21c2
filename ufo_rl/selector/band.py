"""A band of the pool by confidence: the experiment of the paper's figure 1, which trains on one tenth after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ufo_rl.selector.tolerance import confidence_bounds


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

        return self._distance((rankdata(columns["log_confidence"]) - 0.5) / len(columns["log_confidence"]))

    def key_bounds(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(columns["log_confidence"])  # that of both bounds too; sorted, they are found faster
        low, high = (bound[order] for bound in confidence_bounds(columns))
        down, up = np.empty(len(order)), np.empty(len(order))  # quantiles behind only those that must, and all that can
        down[order] = (np.searchsorted(high, low, "left") + 0.5) / len(order)
        up[order] = (np.searchsorted(low, high, "right") - 0.5) / len(order)
        nearest = np.maximum(np.maximum(self.low - up, down - self.high), 0.0)
        return nearest, np.maximum(self._distance(down), self._distance(up))

    def _distance(self, quantile: np.ndarray) -> np.ndarray:
        """How far a quantile lies outside the band."""
        return np.maximum(np.maximum(self.low - quantile, quantile - self.high), 0.0)
