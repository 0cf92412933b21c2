"""What is scored: the text that ends at its target, and where the target begins."""

from __future__ import annotations

from ufo_rl.errors import UserError
from ufo_rl.records import AnswerForm, Prompt

THINK_OPENS = "<think> "
TAGS = AnswerForm()


def scored_text(target: str, prompt_text: str, prompt: Prompt, form: AnswerForm = TAGS) -> tuple[str, int]:
    """The text that is scored, which ends at its target, and the character where the target begins.

    answer: the assistant's turn starts directly with the form's prefix ("<answer> ", as in the authors' script) and the
    reference answer. solution: with "<think> " and the reference solution, in a form with tags. question: the prompt's own
    question, in the rendered prompt up to its end. response: nothing yet; the model's own completion will stand behind the
    prompt. What the prompt has begun is not begun again, and reasoning that it leaves open is closed before an answer.
    """
    if target == "response":
        return prompt_text, len(prompt_text)
    if target == "question":
        question = prompt.question.strip()
        start = prompt_text.rfind(question)
        if start < 0:
            raise UserError(
                f"target question: the chat template changes the text of prompt {prompt.id}; use another target"
            )
        return prompt_text[: start + len(question)], start
    opens, words = (
        (_answer(form), prompt.answer) if target == "answer" else (_solution(form, prompt_text), prompt.solution)
    )
    return prompt_text + opens + words, len(prompt_text) + len(opens)


def _answer(form: AnswerForm) -> str:
    if form.is_answering:
        return "" if form.begun[-1].isspace() else form.prefix[len(form.prefix.rstrip()) :]
    return closing(form) + form.prefix


def closing(form: AnswerForm) -> str:
    """What closes reasoning that the prompt leaves open, as Qwen3 writes an empty one: its end on a line of its own."""
    if not form.is_thinking:
        return ""
    return ("\n" if form.begun.endswith("\n") else "\n\n") + f"{form.think[1]}\n\n"


def _solution(form: AnswerForm, prompt_text: str) -> str:
    if form.has_tags and not form.begun:
        return THINK_OPENS
    return "" if prompt_text[-1:].isspace() or not (form.begun or form.prefix[:1].isspace()) else " "
