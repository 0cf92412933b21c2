"""The paper's other strategies: the prompts that the model is surest or least sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ufo_rl.selector.tolerance import confidence_bounds


@dataclass
class Extreme:
    """Highest confidence first, or lowest (arXiv 2505.12457, tables 3 and 5)."""

    highest: bool
    signals: ClassVar[tuple[str, ...]] = ("confidence",)
    keeps_all: ClassVar[bool] = False

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return -columns["log_confidence"] if self.highest else columns["log_confidence"]

    def key_bounds(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        low, high = confidence_bounds(columns)
        return (-high, -low) if self.highest else (low, high)
