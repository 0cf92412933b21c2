"""What generated pools share: distinct problems, levels in turn, and splits that no question leaves.

A hash of the question decides which split it belongs to (`bucket`), so training prompts, test problems and the stream that
pre-trained a lab's model share no question, whatever their seeds and sizes.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from ufo_rl.errors import UserError
from ufo_rl.records import Pool, Prompt

# 100 buckets: large train and test shares keep the smallest spaces of questions from running dry.
BUCKETS: Mapping[str, range] = {"test": range(0, 15), "train": range(15, 60), "pretrain": range(60, 100)}

# A level counts as exhausted when this many draws in a row bring nothing new.
MAX_IDLE_DRAWS = 2000


def bucket(question: str) -> int:
    """0..99 from the SHA-256 of the question: what keeps the splits apart."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big") % 100


def is_of(split: str, question: str) -> bool:
    """Whether a question belongs to a split."""
    return bucket(question) in BUCKETS[split]


@dataclass(frozen=True)
class Generated(ABC):
    """A pool of `num_prompts` distinct problems, shared evenly between `levels` (a remainder goes to the first ones).

    The same seed with a larger `num_prompts` keeps every earlier problem. A subclass names the levels that it knows and
    draws problems of one of them; `is_of` tells it which belong to the split.
    """

    split: str
    num_prompts: int
    levels: list[int]
    seed: int

    known_levels: ClassVar[Sequence[int]]

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ValueError("\n".join(problems))

    @abstractmethod
    def _draws(self, level: int, random: Random) -> Iterator[Prompt]:
        """Endless problems of one level and of the pool's split, with repetitions."""

    def _problems(self) -> list[str]:
        """What is wrong with the values, each with its key."""
        problems = []
        if self.split not in BUCKETS:
            problems.append(f"split={self.split} is unknown; choose one of {', '.join(BUCKETS)}")
        if self.num_prompts < 1:
            problems.append(f"num_prompts={self.num_prompts} is below 1")
        if unknown := [level for level in self.levels if level not in self.known_levels]:
            problems.append(f"levels={self.levels}: {unknown} unknown; choose from {list(self.known_levels)}")
        if not self.levels or len(set(self.levels)) < len(self.levels):
            problems.append(f"levels={self.levels} must name at least one level, each once")
        return problems

    def load(self, data: Path | None = None) -> Pool:
        """The pool, levels in turn (1, 2, .., 1, 2, ..), so that every beginning of it is balanced too."""
        share, rest = divmod(self.num_prompts, len(self.levels))
        columns = [self._distinct(level, share + (place < rest)) for place, level in enumerate(self.levels)]
        prompts = [column[row] for row in range(share + 1) for column in columns if row < len(column)]
        return Pool(prompts=prompts, num_rows=len(prompts))

    def _distinct(self, level: int, count: int) -> list[Prompt]:
        """`count` prompts of one level in the order drawn; raises UserError where the level has not that many."""
        drawn = self._draws(level, Random(f"{self.seed}/{self.split}/{level}"))
        prompts: dict[str, Prompt] = {}
        idle_draws = 0
        while len(prompts) < count:
            prompt = next(drawn)
            if prompt.question in prompts:
                idle_draws += 1
                if idle_draws > MAX_IDLE_DRAWS:
                    raise UserError(
                        f"num_prompts={self.num_prompts} is too many: level {level} of split {self.split} has "
                        f"about {len(prompts)} problems; ask for at most {len(prompts) * len(self.levels)}"
                    )
                continue
            idle_draws = 0
            prompts[prompt.question] = prompt
        return list(prompts.values())
