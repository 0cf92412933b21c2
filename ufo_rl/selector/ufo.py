"""UFO-RL: the prompts that the model finds neither easy nor hard (arXiv 2505.12457)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ufo_rl.records import Fact, RunView
from ufo_rl.selector.tolerance import NEAR, log_bounds

CENTERS = {"mean": np.mean, "median": np.median}
SPACES = ("confidence", "log")


@dataclass
class Ufo:
    """Nearest to a centre of the pool's confidence first: its mean (the paper's), its median, or a given confidence.

    The paper's Score(x) = 1 - (s(x) - mu)^2 is monotone in |s - mu|, which is used as it is: squaring would make
    rows equal in floating point that are not. In space `log` distance and centre are those of ln s.
    """

    center: str | float
    space: str
    signals: ClassVar[tuple[str, ...]] = ("confidence",)
    keeps_all: ClassVar[bool] = False

    def __post_init__(self) -> None:
        is_number = isinstance(self.center, int | float) and not isinstance(self.center, bool)
        is_name = isinstance(self.center, str) and self.center in CENTERS
        if not is_name and not (is_number and 0 < float(self.center) <= 1):
            raise ValueError(f"center={self.center} must be mean, median or a confidence in (0, 1]")
        if self.space not in SPACES:
            raise ValueError(f"space={self.space} must be one of {', '.join(SPACES)}")

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        values = columns["log_confidence" if self.space == "log" else "confidence"]
        return np.abs(values - self._center(values))

    def key_bounds(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        if self.space == "log":
            low, high = log_bounds(columns["log_confidence"])
        else:
            low, high = columns["confidence"] - NEAR, columns["confidence"] + NEAR
        below, above = low - self._center(high), high - self._center(low)  # mean and median never fall when values rise
        return np.maximum(np.maximum(below, -above), 0.0), np.maximum(above, -below)

    def facts(self, view: RunView) -> list[Fact]:
        center = self._center(view.columns["log_confidence" if self.space == "log" else "confidence"])
        return [Fact("center", center, text=f"centre of the {self.space}: {center:.3f} ({self.center})")]

    def _center(self, values: np.ndarray) -> float:
        if isinstance(self.center, str):
            return float(CENTERS[self.center](values))
        return math.log(self.center) if self.space == "log" else self.center


def fuzziness(confidence: np.ndarray) -> np.ndarray:
    """Score(x) = 1 - (s(x) - mu)^2, mu the mean over the pool (arXiv 2505.12457). Shape (n,) to (n,)."""
    return 1 - (confidence - confidence.mean()) ** 2
