"""Reward part: the completion has the asked-for form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ufo_rl.records import AnswerForm
from ufo_rl.reward.completion_text import TextOrChat, texts_of

ANSWER = ("<answer>", "</answer>")


@dataclass(frozen=True)
class Format:
    """1.0 when the whole completion is `<think>..</think>` then `<answer>..</answer>`, each tag exactly once, else 0.0.

    White space is allowed between the two, before and after; no other text is. What the prompt ends in counts as the
    completion's beginning: behind `<think>` the right form is `..</think><answer>..</answer>`. A template with another
    `answer_prefix` (`\\boxed{`) has another right form: the prefix, an answer, and the suffix, behind the reasoning.

    weight: factor of this part in the total reward, a number. answer_form: the run's.
    """

    weight: float
    answer_form: AnswerForm = field(default_factory=AnswerForm)
    name: ClassVar[str] = "format"

    def __call__(self, prompts: Sequence[Any], completions: Sequence[TextOrChat], **_: Any) -> list[float]:
        """One reward per completion, in order."""
        return [float(has_form(text, self.answer_form)) for text in texts_of(completions)]


def has_form(completion: str, form: AnswerForm = AnswerForm()) -> bool:  # noqa: B008
    """Whether a completion has the form that `Format` rewards."""
    whole = form.begun + completion
    if not form.has_tags:
        return _has_answer(whole, form)
    if form.is_answering:  # reasoning had its place before, if any
        tags = (*form.think, *ANSWER)
        return completion.rstrip().endswith(ANSWER[1]) and sum(completion.count(tag) for tag in tags) == 1
    if _has_tags(whole, form.think):
        return True
    # reasoning that the prompt closed was none: the model may still reason in the tags that the system message asks for
    return bool(form.begun) and not form.is_thinking and _has_tags(completion, AnswerForm().think)


def _has_tags(text: str, think: tuple[str, str]) -> bool:
    opens, closes = map(re.escape, think)
    is_once = all(text.count(tag) == 1 for tag in (*think, *ANSWER))
    form = rf"\s*{opens}.*{closes}\s*{ANSWER[0]}.*{ANSWER[1]}\s*"
    return is_once and re.fullmatch(form, text, re.DOTALL) is not None


def _has_answer(text: str, form: AnswerForm) -> bool:
    if form.is_thinking and form.think[1] not in text:
        return False
    mark, suffix = form.prefix.strip(), form.suffix.strip()
    answer = text.rpartition(form.think[1])[2] if form.is_thinking else text
    if mark not in answer:
        return False
    said = answer.rpartition(mark)[2] if mark else answer
    return bool((said.rpartition(suffix)[0] if suffix else said).strip())
