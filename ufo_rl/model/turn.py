"""The assistant's turn: what of the answer's form a prompt holds already, where the completion goes on from it."""

from __future__ import annotations

import re

from ufo_rl.config.schema import Template
from ufo_rl.records import AnswerForm

WORDS = ("think", "thinking", "thought", "thoughts", "reasoning", "reason", "analysis", "scratchpad", "seed:think")
# Marks around reasoning, as chat templates of published models open them.
MARKS = (
    *((f"<{word}>", f"</{word}>") for word in WORDS),
    ("[THINK]", "[/THINK]"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)


def answer_form(template: Template, prompt_text: str) -> AnswerForm:
    """The form that the template asks for, with what the rendered prompt ends in: reasoning that is open (`<think>`, as
    DeepSeek's R1 and QwQ have it), that is closed (Qwen3 with enable_thinking=false), an answer that is open."""
    prefix, suffix, mark = template.answer_prefix, template.answer_suffix, template.answer_prefix.strip()
    rest, is_answering = prompt_text, bool(mark) and prompt_text.rstrip().endswith(mark)
    if is_answering:
        rest = rest[: rest.rindex(mark)]
    think, start, is_thinking = ("<think>", "</think>"), len(rest), False
    for opens, closes in MARKS:
        if found := re.search(rf"{re.escape(opens)}\s*(?P<closed>{re.escape(closes)}\s*)?\Z", rest):
            think, start, is_thinking = (opens, closes), found.start(), found["closed"] is None
    return AnswerForm(prefix, suffix, prompt_text[start:], think, is_thinking and not is_answering, is_answering)


def in_words(form: AnswerForm) -> str:
    """What follows from what the prompts begin, for the log; "" where they begin nothing."""
    if form.is_answering:
        return (
            f"every prompt ends in {form.begun!r}: completions are graded, and answers scored, as going on from there"
        )
    if form.is_thinking:
        return (
            f"every prompt ends in {form.begun!r}: the format reward counts it as the completion's beginning, and scoring "
            f"closes it by {form.think[1]} before the answer"
        )
    return (
        f"every prompt ends in {form.begun!r}, reasoning that is closed: the format reward counts it"
        if form.begun
        else ""
    )
