"""The grader: is the final answer of a completion the reference answer? Training and evaluation share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, ClassVar

from ufo_rl.grader.math.formula.rational import same_number
from ufo_rl.grader.math.process.verifier import Verifier
from ufo_rl.grader.math.shapes.sequences import num_items
from ufo_rl.grader.math.text.extract import extract_list, extract_literal
from ufo_rl.grader.math.text.gold import problem_of
from ufo_rl.grader.math.text.markers import Markers, SlowMarker
from ufo_rl.grader.math.text.normal import normalise
from ufo_rl.grader.math.text.parts import boxes_of_parts
from ufo_rl.grader.math.text.turn import own_turn
from ufo_rl.records import Graded, Reference

MAX_COMPLETION = 1_000_000  # characters, from the end: more than any model's context
CACHED = 2**16  # verdicts: the completions of a group mostly agree
Gold = Reference | str  # a bare text is the answer of a reference without columns


class MathGrader:
    """Grades completions, each within about `time_limit_s` seconds of CPU time. Thread-safe; the verifier starts when first
    needed.

    time_limit_s: seconds of CPU time that one comparison may take, > 0; whatever else the machine computes does not count.
    max_chars: longest answer that is compared by more than its text or number, in characters, >= 1; longer ones count as
        unparsed.
    relative_tolerance: > 0: numbers that are not equal still count as equal, by method `tolerance`, when they differ by at
        most that share of the gold; units do not matter. None: exact answers.
    markers: regular expressions of the user's own behind or in which an answer stands; see `text.markers`.
    ordered: whether the items of a list must come in the gold's order; sets in braces have none either way.
    """

    version: ClassVar[int | str] = 7
    columns: ClassVar[tuple[str, ...]] = ()
    unset: ClassVar[Mapping[str, Any]] = {"markers": [], "ordered": False}

    def __init__(
        self,
        time_limit_s: float,
        max_chars: int,
        relative_tolerance: float | None = None,
        markers: Sequence[str] = (),
        ordered: bool = False,
    ) -> None:
        problems = []
        if not _is_number(time_limit_s, float) or not time_limit_s > 0:
            problems.append(f"time_limit_s={time_limit_s} must be > 0")
        if not _is_number(max_chars, int) or max_chars < 1:
            problems.append(f"max_chars={max_chars} must be >= 1 and whole")
        if relative_tolerance is not None and not (_is_number(relative_tolerance, float) and relative_tolerance > 0):
            problems.append(f"relative_tolerance={relative_tolerance} must be > 0, or None for exact answers")
        if not isinstance(ordered, bool):
            problems.append(f"ordered={ordered} must be true or false")
        try:
            self._markers = Markers(markers)
        except ValueError as error:
            problems += str(error).splitlines()
        if problems:
            raise ValueError("\n".join(problems))
        self.max_chars = max_chars
        self.relative_tolerance = relative_tolerance
        self.ordered = ordered
        self._verifier = Verifier(time_limit_s, relative_tolerance=relative_tolerance)
        self._judge = lru_cache(maxsize=CACHED)(self._judged)

    def problem_of(self, reference: Gold) -> str:
        """Why no completion could be graded right against `reference`, "" if one can; see `text.gold`."""
        return problem_of(_answer(reference))

    def grade(self, reference: Gold, completion: str) -> Graded:
        """The verdict on one completion.

        In this order: no final answer (wrong, `unparsed`), same text (`exact`), two exact rationals (`number`, decides
        both ways), formulas and what is built of them (`formula`), math-verify. Text behind an end-of-turn mark does not
        count. Several boxes on one line, and those of the parts (a), (b) of the task, are one list if the gold is a list.
        A timeout, a stall, a crash and what cannot be parsed are wrong, each with its reason.
        """
        gold, completion = _answer(reference), own_turn(completion)[-MAX_COMPLETION:]
        try:
            extracted, literal = extract_literal(completion, self._markers)
        except SlowMarker as slow:
            return Graded(False, "", "none", f"timeout: {slow}")
        if not extracted:
            return Graded(False, "", "none", "unparsed: no final answer")
        if literal and normalise(literal) == normalise(gold):
            return Graded(True, literal, "exact")
        if literal == extracted:
            return Graded(False, extracted, "none", "unparsed: words that make another number of a value")
        graded = self._grade(gold, extracted, self.ordered)
        if graded.correct or graded.reason.startswith(("timeout", "stalled")):  # which has taken all the time there is
            return graded
        num_wanted = num_items(gold) if r"\boxed" in completion or r"\fbox" in completion else 1
        if num_wanted < 2:
            return graded
        lists = [(extract_list(completion), self.ordered)]
        if len(parts := boxes_of_parts(completion)) == num_wanted:
            lists.append((", ".join(parts), True))  # part (a) is not part (b)
        tried = (self._grade(gold, boxes, is_ordered) for boxes, is_ordered in lists if boxes)
        return next((one for one in tried if one.correct), graded)

    def grade_all(self, references: Sequence[Gold], completions: Sequence[str]) -> list[Graded]:
        """Verdicts in order, several at a time; ValueError when the two lists differ in length."""
        with ThreadPoolExecutor(self._verifier.num_children) as threads:
            return list(threads.map(lambda pair: self.grade(*pair), zip(references, completions, strict=True)))

    def same(self, one: str, other: str) -> bool:
        """Whether two answers, already extracted, are the same."""
        return self._grade(one, other, self.ordered).correct

    def normal_form(self, answer: str) -> str:
        """One spelling of an extracted answer: texts of one form are the same answer, others may be."""
        return normalise(answer)

    def close(self) -> None:
        """Ends the verifier's processes; the next question that needs one starts it."""
        self._verifier.close()

    def _grade(self, gold: str, extracted: str, is_ordered: bool) -> Graded:
        if len(extracted) > self.max_chars:  # and not kept: a megabyte each would fill the memory
            return self._judged_long(gold, extracted)
        try:
            return self._judge(gold, extracted, is_ordered)
        except _Undecided as undecided:
            return Graded(False, extracted, "none", undecided.reason)

    def _judged(self, gold: str, extracted: str, is_ordered: bool) -> Graded:
        if not gold.strip():
            return Graded(False, extracted, "none", "unparsed: the reference is empty")
        reference, answer = normalise(gold), normalise(extracted)
        if reference and reference == answer:
            return Graded(True, extracted, "exact")
        is_same = same_number(reference, answer)
        if is_same or (is_same is False and self.relative_tolerance is None):
            return Graded(is_same, extracted, "number")
        verdict = self._verifier.verify(gold, extracted, is_ordered)
        if verdict.reason.startswith(("crash", "stalled")):
            raise _Undecided(verdict.reason)
        if verdict.reason:
            return Graded(False, extracted, "none", verdict.reason)
        return Graded(verdict.equal, extracted, verdict.method)

    def _judged_long(self, gold: str, extracted: str) -> Graded:
        if gold.strip() == extracted:
            return Graded(True, extracted, "exact")
        return Graded(False, extracted, "none", f"unparsed: {len(extracted)} characters, the limit is {self.max_chars}")


def _is_number(value: object, kind: type[int] | type[float]) -> bool:
    """Whether a value of a YAML file is a number, a whole one where `kind` is int."""
    return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)


def _answer(reference: Gold) -> str:
    return reference if isinstance(reference, str) else reference.answer


class _Undecided(Exception):
    """A crash or a stall: another try may end well, so the verdict is not kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
