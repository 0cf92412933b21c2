"""Reward part: the final answer is right."""

from __future__ import annotations

from typing import ClassVar

from ufo_rl.grader.math.answer import Grader


class Correctness:
    """1.0 for a right final answer, else 0.0, by the same grader that the evaluation uses.

    weight: factor of this part in the total reward, a number.
    time_limit_s, max_chars: the grader's limits, see `Grader`.
    """

    name: ClassVar[str] = "correctness"

    def __init__(self, weight: float, time_limit_s: float, max_chars: int) -> None:
        self.weight = weight
        self.grader = Grader(time_limit_s, max_chars)

    def __call__(self, completions: list[str], golds: list[str]) -> list[float]:
        """One reward per completion, in order; ValueError when the two lists differ in length."""
        return [float(graded.correct) for graded in self.grader.grade_all(golds, completions)]
