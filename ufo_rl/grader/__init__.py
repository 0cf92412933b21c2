"""Graders: is the final answer of a completion right? One for each domain, chosen by `grader=NAME`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from ufo_rl.records import Graded, Reference


class Grader(Protocol):
    """Decides rewards, pass rates and evaluations, built from a YAML node as every part is; thread-safe.

    `version` is in the keys of stored verdicts: change it when a verdict changes.
    """

    version: ClassVar[int | str]

    def problem_of(self, reference: Reference) -> str:
        """Why no completion could be right against `reference`, "" if one can: such a row is refused at loading."""
        ...

    def grade_all(self, references: Sequence[Reference], completions: Sequence[str]) -> list[Graded]:
        """The verdicts, in order. Whatever the texts hold it neither raises nor hangs: what cannot be read is wrong."""
        ...

    def same(self, one: str, other: str) -> bool:
        """Whether two extracted answers are the same: they vote together in maj@k."""
        ...

    def close(self) -> None:
        """End what was started, such as child processes."""
        ...
