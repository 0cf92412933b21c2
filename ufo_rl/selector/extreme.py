"""The paper's other strategies: the prompts that the model is surest or least sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass
class Extreme:
    """Highest confidence first, or lowest (arXiv 2505.12457, tables 3 and 5)."""

    highest: bool
    signals: ClassVar[tuple[str, ...]] = ("confidence",)
    keeps_all: ClassVar[bool] = False

    def sort_key(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        return -columns["log_confidence"] if self.highest else columns["log_confidence"]
