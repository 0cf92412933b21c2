"""Graders: is the final answer of a completion right? One for each domain, chosen by `grader=NAME`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from ufo_rl.records import Graded, Reference


class Grader(Protocol):
    """Decides rewards, pass rates and evaluations, built from a YAML node as every part is; thread-safe.

    `version` is in the keys of stored verdicts: change it when a verdict changes. `columns` are the dataset columns that it
    reads besides the reference answer: every prompt must carry them.
    """

    version: ClassVar[int | str]
    columns: ClassVar[tuple[str, ...]]

    def problem_of(self, reference: Reference) -> str:
        """Why no completion could be right against `reference`, "" if one can: such a row is refused at loading."""
        ...

    def grade_all(self, references: Sequence[Reference], completions: Sequence[str]) -> list[Graded]:
        """The verdicts, in order. Whatever the texts hold it neither raises nor hangs: what cannot be read is wrong."""
        ...

    def same(self, one: str, other: str) -> bool:
        """Whether two extracted answers are the same: they vote together in maj@k."""
        ...

    def normal_form(self, answer: str) -> str:
        """One spelling of an extracted answer: texts of one form are the same answer, others may be."""
        ...

    def close(self) -> None:
        """End what was started, such as child processes."""
        ...


FIRST = "ufo_rl.grader.math.MathGrader"  # verdicts were stored before there were others: they carry no class


def set_of(node: Mapping[str, Any], grader: Grader | type[Grader]) -> dict[str, Any]:
    """The node without the settings that say nothing: those which the grader names in `unset`, a mapping, with the value
    that changes no verdict. They came later than the names and stores of runs, which are found as before."""
    unset: Mapping[str, Any] = getattr(grader, "unset", {})
    return {name: value for name, value in node.items() if name not in unset or value != unset[name]}


def grader_id(node: Mapping[str, Any], grader: Grader) -> list[Any]:
    """What verdicts depend on: the version, the settings of the YAML node, and whose they are."""
    settings = {name: value for name, value in set_of(node, grader).items() if name not in ("_target_", "name")}
    whose = [] if node["_target_"] == FIRST else [node["_target_"]]
    return [grader.version, settings, *whose]
