"""A question as text: one function for scoring, training and evaluation."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from ufo_rl.config.schema import Shot, Template


class ChatTokenizer(Protocol):
    """What rendering needs of a tokenizer: transformers' `apply_chat_template`."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...


def messages(
    template: Template, question: str, has_system_role: bool, shots: Sequence[Shot] = ()
) -> list[dict[str, str]]:
    """The conversation up to the assistant's turn; worked examples are its earlier turns: `shots`, or else the template's.
    Without a system role the system text opens the first turn."""
    turns = []
    for shot in _shown(template, question, shots):
        turns += [_user(template, shot.question), {"role": "assistant", "content": shot.response}]
    turns.append(_user(template, question))
    if not template.system:
        return turns
    if not has_system_role:
        return [{"role": "user", "content": f"{template.system}\n\n{turns[0]['content']}"}, *turns[1:]]
    return [{"role": "system", "content": template.system}, *turns]


def _shown(template: Template, question: str, shots: Sequence[Shot]) -> list[Shot]:
    """The worked examples in front of a question, which is no example of its own."""
    return [shot for shot in shots or template.few_shot if shot.question.strip() != question.strip()]


def _user(template: Template, question: str) -> dict[str, str]:
    return {"role": "user", "content": _asked(template, question)}


def _asked(template: Template, question: str) -> str:
    return template.user.replace("{question}", question)


def plain_text(template: Template, question: str, shots: Sequence[Shot] = ()) -> str:
    """The text of a template with layout=text: worked examples (`shots`, or else the template's), each with its response
    behind a space, the question last, blank lines between them, as lm-evaluation-harness joins them."""
    parts = [template.system] if template.system else []
    parts += [f"{_asked(template, shot.question)} {shot.response}" for shot in _shown(template, question, shots)]
    return "\n\n".join([*parts, _asked(template, question)])


def render(
    tokenizer: ChatTokenizer, conversation: list[dict[str, str]], variables: Mapping[str, Any] | None = None
) -> str:
    """The conversation as text that ends where the assistant's turn begins. variables: what the chat template reads
    besides."""
    return tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True, **(variables or {}))


def accepts_system_role(tokenizer: ChatTokenizer) -> bool:
    """Whether the chat template shows a system message (some raise, some drop it silently)."""
    from jinja2.exceptions import TemplateError

    probe = "a system message that must show"
    try:
        text = render(tokenizer, [{"role": "system", "content": probe}, {"role": "user", "content": "question"}])
    except TemplateError:
        return False
    return probe in text


def text_of(tokenizer: ChatTokenizer) -> str:
    """The chat template itself, "" where there is none."""
    found = getattr(tokenizer, "chat_template", None)
    return found if isinstance(found, str) else ""


def tells_date(tokenizer: ChatTokenizer) -> bool:
    """Whether the chat template asks for the date or the clock: `strftime_now` is all that transformers offers it."""
    return "strftime_now" in text_of(tokenizer)


def fix_date(tokenizer: Any, date: str) -> None:
    """From now on the template is told this date (YYYY-MM-DD), midnight, whoever renders it, TRL too: base and trained
    model are asked the same on different days."""
    if tells_date(tokenizer):
        day = datetime.fromisoformat(date)
        tokenizer.apply_chat_template = functools.partial(tokenizer.apply_chat_template, strftime_now=day.strftime)
