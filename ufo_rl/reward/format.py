"""Reward part: the completion has the asked-for form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ufo_rl.reward.completion_text import TextOrChat, texts_of

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
FORM = re.compile(r"\s*<think>.*</think>\s*<answer>.*</answer>\s*", re.DOTALL)


@dataclass(frozen=True)
class Format:
    """1.0 when the whole completion is `<think>..</think>` then `<answer>..</answer>`, each tag exactly once, else 0.0.

    White space is allowed between the two, before and after; no other text is.

    weight: factor of this part in the total reward, a number.
    """

    weight: float
    name: ClassVar[str] = "format"

    def __call__(self, prompts: Sequence[Any], completions: Sequence[TextOrChat], **_: Any) -> list[float]:
        """One reward per completion, in order."""
        return [float(has_form(text)) for text in texts_of(completions)]


def has_form(completion: str) -> bool:
    """Whether a completion has the form that `Format` rewards."""
    return all(completion.count(tag) == 1 for tag in TAGS) and FORM.fullmatch(completion) is not None
