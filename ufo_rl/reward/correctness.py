"""Reward part: the final answer is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ufo_rl.grader import Grader
from ufo_rl.grader.math import answer as math_answer
from ufo_rl.records import Graded, Reference
from ufo_rl.reward.columns import references_of
from ufo_rl.reward.completion_text import Completion, texts_of


class Correctness:
    """1.0 for a right final answer, else 0.0, by the same grader that the evaluation uses.

    weight: factor of this part in the total reward, a number.
    grader: the run's; without one, answers are graded as mathematics within the limits
    time_limit_s, max_chars: see `ufo_rl.grader.math.answer.Grader`.
    """

    name: ClassVar[str] = "correctness"

    def __init__(
        self,
        weight: float,
        time_limit_s: float | None = None,
        max_chars: int | None = None,
        grader: Grader | None = None,
    ) -> None:
        if grader is None and (time_limit_s is None or max_chars is None):
            raise ValueError("grader is missing")
        self.weight = weight
        self.grader: Any = grader or _Limited(time_limit_s or 0, max_chars or 0)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        answer: Sequence[str],
        **columns: Any,
    ) -> list[float]:
        """One reward per completion, in order; ValueError when completions and answers differ in number."""
        if len(answer) != len(completions):
            raise ValueError(f"{len(answer)} answers for {len(completions)} completions")
        verdicts = self.grader.grade_all(references_of(answer, columns), texts_of(completions))
        return [float(graded.correct) for graded in verdicts]


class _Limited:
    """The grader of mathematics, which knows bare answers only."""

    def __init__(self, time_limit_s: float, max_chars: int) -> None:
        self.grader = math_answer.Grader(time_limit_s, max_chars)

    def grade_all(self, references: Sequence[Reference], completions: Sequence[str]) -> list[Graded]:
        return self.grader.grade_all([reference.answer for reference in references], completions)

    def close(self) -> None:
        self.grader.close()
