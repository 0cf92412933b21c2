"""Reward part: the final answer is right."""

from __future__ import annotations

from typing import Any, ClassVar

from ufo_rl.grader import Grader
from ufo_rl.records import Reference


class Correctness:
    """1.0 for a right final answer, else 0.0, by the same grader that the evaluation uses.

    weight: factor of this part in the total reward, a number.
    grader: the run's grader.
    """

    name: ClassVar[str] = "correctness"

    def __init__(self, weight: float, grader: Grader | None = None) -> None:
        self.weight = weight
        self.grader: Any = grader

    def __call__(self, completions: list[str], golds: list[str]) -> list[float]:
        """One reward per completion, in order; ValueError when the two lists differ in length."""
        references = [Reference(gold) for gold in golds]
        return [float(graded.correct) for graded in self.grader.grade_all(references, completions)]
