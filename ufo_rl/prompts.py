"""A question as chat text: one function for scoring, training and evaluation."""

from __future__ import annotations

from typing import Any, Protocol

from ufo_rl.config import Template

ANSWER_OPENS = "<answer> "


class ChatTokenizer(Protocol):
    """What rendering needs of a tokenizer: transformers' `apply_chat_template`."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...


def messages(template: Template, question: str, has_system_role: bool) -> list[dict[str, str]]:
    """The conversation up to the assistant's turn. Without a system role the system text opens the user's turn."""
    user = template.user.replace("{question}", question)
    if not template.system:
        return [{"role": "user", "content": user}]
    if not has_system_role:
        return [{"role": "user", "content": f"{template.system}\n\n{user}"}]
    return [{"role": "system", "content": template.system}, {"role": "user", "content": user}]


def render(tokenizer: ChatTokenizer, conversation: list[dict[str, str]]) -> str:
    """The conversation as text that ends where the assistant's turn begins."""
    return tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)


def accepts_system_role(tokenizer: ChatTokenizer) -> bool:
    """Whether the chat template shows a system message (some raise, some drop it silently)."""
    from jinja2.exceptions import TemplateError

    probe = "a system message that must show"
    try:
        text = render(tokenizer, [{"role": "system", "content": probe}, {"role": "user", "content": "question"}])
    except TemplateError:
        return False
    return probe in text


def with_answer(prompt_text: str, answer: str) -> tuple[str, int]:
    """The text that is scored for target `answer`, and the character where the target begins.

    The assistant's turn starts directly with "<answer> ", the text ends at the answer (authors' script).
    """
    head = prompt_text + ANSWER_OPENS
    return head + answer, len(head)
