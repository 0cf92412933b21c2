"""The grader of mathematics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ufo_rl.grader.math.answer import Grader
from ufo_rl.grader.math.gold import problem_of
from ufo_rl.records import Graded, Reference


class MathGrader(Grader):
    version: ClassVar[int] = 5
    columns: ClassVar[tuple[str, ...]] = ()

    def problem_of(self, reference: Reference) -> str:
        return problem_of(reference.answer)

    def grade_all(self, references: Sequence[Reference], completions: Sequence[str]) -> list[Graded]:  # type: ignore
        return super().grade_all([r.answer for r in references], completions)
