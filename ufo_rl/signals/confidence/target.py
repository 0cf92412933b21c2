"""What is scored: the text that ends at its target, and where the target begins."""

from __future__ import annotations

from ufo_rl.errors import UserError
from ufo_rl.records import Prompt

ANSWER_OPENS = "<answer> "
THINK_OPENS = "<think> "


def scored_text(target: str, prompt_text: str, prompt: Prompt) -> tuple[str, int]:
    """The text that is scored, which ends at its target, and the character where the target begins.

    answer: the assistant's turn starts directly with "<answer> " and the reference answer (authors' script). solution:
    with "<think> " and the reference solution. question: the prompt's own question, in the rendered prompt up to its
    end. response: nothing yet; the model's own completion will stand behind the prompt.
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
    opens, words = (ANSWER_OPENS, prompt.answer) if target == "answer" else (THINK_OPENS, prompt.solution)
    return prompt_text + opens + words, len(prompt_text) + len(opens)
