"""How many tokens go into one forward pass: given, or found by timing the first batches; halved when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from ufo_rl.errors import UserError
from ufo_rl.model.memory import is_out_of_memory

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")
CANDIDATES = {"cpu": (512, 1024, 2048, 4096, 8192), "cuda": (4096, 8192, 16384, 32768, 65536)}
TRIALS = 3  # batches that a candidate is timed on
NO_MEMORY = (
    "one prompt alone does not fit into memory; take a smaller model, model.dtype=bfloat16, or limit the prompts with "
    "train.max_prompt_tokens"
)
WORSE = 0.9  # a candidate this much slower than the best ends the search: larger ones will not be faster


class Budget:
    """Tokens of a batch, padding included. Results do not depend on it, so that trials are no lost work."""

    def __init__(self, fixed: int | None, device: str) -> None:
        self._open = [] if fixed else list(CANDIDATES[torch.device(device).type])
        self.tokens = fixed or self._open[0]
        self._best: tuple[float, int] | None = None
        self._trials: list[tuple[int, float]] = []
        self._is_warm = False

    @property
    def is_settled(self) -> bool:
        return not self._open

    def record(self, tokens: int, seconds: float) -> None:
        """Tell how long a batch of `tokens` took; the first batch of all only warms up."""
        if self.is_settled:
            return
        if not self._is_warm:
            self._is_warm = True
            return
        self._trials.append((tokens, seconds))
        if len(self._trials) < TRIALS:
            return
        speed = max(tokens / seconds for tokens, seconds in self._trials)
        self._trials = []
        if self._best is None or speed > self._best[0]:
            self._best = speed, self.tokens
        self._open = self._open[1:] if speed >= WORSE * self._best[0] else []
        self.tokens = self._open[0] if self._open else self._best[1]
        if self.is_settled:
            log.info("batches of %d tokens: %.0f tokens a second", self.tokens, self._best[0])

    def halve(self) -> None:
        """Memory ran out: no candidate as large as this is tried again."""
        self.tokens, self._open, self._trials = self.tokens // 2, [], []
        log.info("out of memory: batches of %d tokens from now on", self.tokens)


def within_memory(
    rows: Sequence[Item], budget: Budget, take: Callable[[int], int], run: Callable[[Sequence[Item]], Result]
) -> tuple[int, Result]:
    """Run the first rows that fit the budget; where memory runs out, again with half of it.

    `take(tokens)` says how many of `rows` fit. Returns how many were run, and the result. UserError where one row
    alone is too much.
    """
    while True:
        count = take(budget.tokens)
        try:
            return count, run(rows[:count])
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if count == 1:
                raise UserError(NO_MEMORY) from error
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        while take(budget.tokens) >= count:
            budget.halve()
