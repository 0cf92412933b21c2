"""What a completion says, whichever way TRL hands it over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TextOrChat = str | Sequence[Mapping[str, Any]]


def text_of(completion: TextOrChat) -> str:
    """The text of a completion: of a chat, what its last message says; "" where that is nothing (a call of a tool)."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content or ())  # a message of several blocks


def texts_of(completions: Iterable[TextOrChat]) -> list[str]:
    return [text_of(completion) for completion in completions]


def until(completion: TextOrChat, stop: Sequence[str]) -> TextOrChat:
    """The completion, a text or a chat whose last message is one, up to the first of several texts."""
    text = text_of(completion)
    kept = text[: min((place for one in stop if (place := text.find(one)) >= 0), default=len(text))]
    if isinstance(completion, str) or kept == text:
        return kept if isinstance(completion, str) else completion
    return [*completion[:-1], {**completion[-1], "content": kept}]
