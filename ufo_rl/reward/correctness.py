"""Reward part: the final answer is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ufo_rl.grader import Grader
from ufo_rl.records import AnswerForm
from ufo_rl.reward.columns import references_of
from ufo_rl.reward.completion_text import TextOrChat, texts_of

UNPARSED = "unparsed_share"  # the metric: of the completions, those without an answer that can be read


class Correctness:
    """1.0 for a right final answer, else 0.0, by the same grader that the evaluation uses.

    weight: factor of this part in the total reward, a number. grader: the run's. answer_form: the run's, whose prompts may
    begin the answer.
    """

    name: ClassVar[str] = "correctness"

    def __init__(self, weight: float, grader: Grader, answer_form: AnswerForm = AnswerForm()) -> None:  # noqa: B008
        self.weight, self.grader, self.begun = weight, grader, answer_form.opened

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[TextOrChat],
        completion_ids: Sequence[Sequence[int]] | None = None,
        *,
        answer: Sequence[str],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        """One reward per completion, in order; ValueError when completions and answers differ in number."""
        if len(answer) != len(completions):
            raise ValueError(f"{len(answer)} answers for {len(completions)} completions")
        texts = [self.begun + text for text in texts_of(completions)]
        verdicts = self.grader.grade_all(references_of(answer, columns), texts)
        if log_metric is not None and verdicts:
            log_metric(UNPARSED, sum(graded.reason.startswith("unparsed") for graded in verdicts) / len(verdicts))
        return [float(graded.correct) for graded in verdicts]
