"""Arithmetic problems of the embedded lab: chains of additions and subtractions, longer and with larger numbers by level.

A question reads `47+5-12=?`. Level L has exactly L operations, so no question belongs to two levels. Every running total
stays within 0..99. A hash of the question decides which split it belongs to (`bucket`), so training prompts, test problems and
the stream that pre-trained the tiny model share no question, whatever their seeds and sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ufo_rl.errors import UserError
from ufo_rl.records import Pool, Prompt, prompt_id

LARGEST_OPERAND = {1: 12, 2: 12, 3: 15, 4: 20, 5: 30, 6: 50}
LARGEST_TOTAL = 99

# 100 buckets: large train and test shares keep level 1, the smallest space of questions, from running dry.
BUCKETS = {"test": range(0, 15), "train": range(15, 60), "pretrain": range(60, 100)}

# A level counts as exhausted when this many draws in a row bring nothing new.
MAX_IDLE_DRAWS = 2000


@dataclass(frozen=True)
class Problem:
    """One chain: `terms` are the first number and then the signed operands, e.g. (47, 5, -12) for `47+5-12=?`."""

    terms: tuple[int, ...]

    @property
    def question(self) -> str:
        """The text a model sees."""
        return f"{chain(self.terms)}=?"

    @property
    def answer(self) -> str:
        """The reference answer, a non-negative integer."""
        return str(sum(self.terms))

    def worked(self, operations_per_step: int) -> str:
        """The worked solution, e.g. `47+5=52;52-12=40` with one operation per step, `47+5-12=40` with two."""
        total, steps = self.terms[0], []
        for start in range(1, len(self.terms), operations_per_step):
            group = (total, *self.terms[start : start + operations_per_step])
            total = sum(group)
            steps.append(f"{chain(group)}={total}")
        return ";".join(steps)


def chain(terms: tuple[int, ...]) -> str:
    """(47, 5, -12) -> `47+5-12`; the first term is never negative here."""
    return str(terms[0]) + "".join(f"{term:+d}" for term in terms[1:])


def draw(level: int, random: Random) -> Problem:
    """One problem of a level: signs even, operands uniform among those that keep the running total in 0..LARGEST_TOTAL."""
    largest = LARGEST_OPERAND[level]
    total = random.randint(1, LARGEST_TOTAL)
    terms = [total]
    for _ in range(level):
        is_plus = total == 0 or (total < LARGEST_TOTAL and random.random() < 0.5)
        operand = random.randint(1, min(largest, LARGEST_TOTAL - total if is_plus else total)) * (1 if is_plus else -1)
        terms.append(operand)
        total += operand
    return Problem(tuple(terms))


def bucket(question: str) -> int:
    """0..99 from the SHA-256 of the question: what keeps the splits apart."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big") % 100


def stream(level: int, split: str, random: Random) -> Iterator[Problem]:
    """Endless problems of one level and split, with repetitions."""
    while True:
        problem = draw(level, random)
        if bucket(problem.question) in BUCKETS[split]:
            yield problem


@dataclass(frozen=True)
class Arithmetic:
    """A pool of `num_prompts` distinct problems, shared evenly between `levels` (a remainder goes to the first ones).

    The same seed with a larger `num_prompts` keeps every earlier problem. Level is the number of operations.
    """

    split: str
    num_prompts: int
    levels: list[int]
    seed: int

    def __post_init__(self) -> None:
        problems = []
        if self.split not in BUCKETS:
            problems.append(f"split={self.split} is unknown; choose one of {', '.join(BUCKETS)}")
        if self.num_prompts < 1:
            problems.append(f"num_prompts={self.num_prompts} is below 1")
        if unknown := [level for level in self.levels if level not in LARGEST_OPERAND]:
            problems.append(f"levels={self.levels}: {unknown} unknown; choose from {list(LARGEST_OPERAND)}")
        if not self.levels or len(set(self.levels)) < len(self.levels):
            problems.append(f"levels={self.levels} must name at least one level, each once")
        if problems:
            raise ValueError("\n".join(problems))

    def load(self, data: Path | None = None) -> Pool:
        """The pool, levels in turn (1, 2, .., 1, 2, ..), so that every beginning of it is balanced too."""
        share, rest = divmod(self.num_prompts, len(self.levels))
        columns = [self._distinct(level, share + (place < rest)) for place, level in enumerate(self.levels)]
        prompts = [column[row] for row in range(share + 1) for column in columns if row < len(column)]
        return Pool(prompts=prompts, num_rows=len(prompts))

    def _distinct(self, level: int, count: int) -> list[Prompt]:
        """`count` prompts of one level in the order drawn; raises UserError where the level has not that many."""
        problems = stream(level, self.split, Random(f"{self.seed}/{self.split}/{level}"))
        prompts: dict[str, Prompt] = {}
        idle_draws, label = 0, str(level)
        while len(prompts) < count:
            problem = next(problems)
            if problem.question in prompts:
                idle_draws += 1
                if idle_draws > MAX_IDLE_DRAWS:
                    raise UserError(
                        f"num_prompts={self.num_prompts} is too many: level {level} of split {self.split} has "
                        f"about {len(prompts)} problems; ask for at most {len(prompts) * len(self.levels)}"
                    )
                continue
            idle_draws = 0
            prompts[problem.question] = Prompt(
                id=prompt_id(problem.question),
                question=problem.question,
                answer=problem.answer,
                solution=problem.worked(operations_per_step=1),
                level=label,
            )
        return list(prompts.values())
