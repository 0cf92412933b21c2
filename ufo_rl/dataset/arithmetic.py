"""Arithmetic problems of the first lab: chains of additions and subtractions, longer and with larger numbers by level.

A question reads `47+5-12=?`. Level L has exactly L operations, so no question belongs to two levels. Every running total
stays within 0..99.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from ufo_rl.dataset.generated import Generated, is_of
from ufo_rl.records import Prompt, prompt_id

LARGEST_OPERAND = {1: 12, 2: 12, 3: 15, 4: 20, 5: 30, 6: 50}
LARGEST_TOTAL = 99


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


def stream(level: int, split: str, random: Random) -> Iterator[Problem]:
    """Endless problems of one level and split, with repetitions."""
    while True:
        problem = draw(level, random)
        if is_of(split, problem.question):
            yield problem


@dataclass(frozen=True)
class Arithmetic(Generated):
    """Chains of additions and subtractions; a level is the number of operations."""

    known_levels: ClassVar = tuple(LARGEST_OPERAND)

    def _draws(self, level: int, random: Random) -> Iterator[Prompt]:
        label = str(level)
        for problem in stream(level, self.split, random):
            yield Prompt(
                id=prompt_id(problem.question),
                question=problem.question,
                answer=problem.answer,
                solution=problem.worked(operations_per_step=1),
                level=label,
            )
