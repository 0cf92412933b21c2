"""A reward by chance: the control of spurious rewards (arXiv 2506.10947)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any


class Coin:
    """1 with the chance `chance`, else 0, whatever the completion says. Python's own generator draws: the trainer has seeded
    it, each rank's otherwise, and checkpoints keep where it stands."""

    def __init__(self, chance: float) -> None:
        if isinstance(chance, bool) or not 0 < chance < 1:
            raise ValueError(f"chance={chance} must be in (0, 1)")
        self.chance = chance

    def __call__(self, completions: Sequence[Any]) -> list[float]:
        return [float(random.random() < self.chance) for _ in completions]
