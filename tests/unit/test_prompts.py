"""One rendering for scoring, training and evaluation; the system role folded where the template has none."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from ufo_rl.config.schema import Template
from ufo_rl.errors import UserError
from ufo_rl.model.template import accepts_system_role, messages, render
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.records import Prompt
from ufo_rl.signals.confidence.target import scored_text

R1 = Template("r1", "Think first.", "{question}")
SHORT = Template("short", "", "{question}")
OPENS = "{% if add_generation_prompt %}<assistant>{% endif %}"
LOOP = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}" + OPENS
REFUSES = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('Only user and assistant roles') }}{% endif %}" + LOOP
)
DROPS = "{% for m in messages if m['role'] != 'system' %}[{{ m['content'] }}]{% endfor %}"


def tokenizer(template: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=template)


@pytest.mark.parametrize(("template", "accepts"), [(LOOP, True), (REFUSES, False), (DROPS, False)])
def test_whether_a_template_shows_a_system_message(template: str, accepts: bool) -> None:
    assert accepts_system_role(tokenizer(template)) is accepts


def test_rendering_by_hand() -> None:
    assert render(tokenizer(LOOP), messages(R1, "2+2?", True)) == "<system>Think first.<user>2+2?<assistant>"
    assert render(tokenizer(REFUSES), messages(R1, "2+2?", False)) == "<user>Think first.\n\n2+2?<assistant>"
    assert render(tokenizer(LOOP), messages(SHORT, "2+2?", True)) == "<user>2+2?<assistant>"


def test_braces_of_a_question_are_its_own() -> None:
    assert messages(SHORT, r"\frac{a}{question}", True)[0]["content"] == r"\frac{a}{question}"


@pytest.mark.parametrize(
    ("target", "before", "scored"),
    [
        ("answer", "<user>2-6?<assistant><answer> ", "-4"),
        ("solution", "<user>2-6?<assistant><think> ", "2-6=-4"),
        ("question", "<user>", "2-6?"),
        ("response", "<user>2-6?<assistant>", ""),
    ],
)
def test_the_scored_text_ends_at_its_target(target: str, before: str, scored: str) -> None:
    text, start = scored_text(target, "<user>2-6?<assistant>", Prompt("id", " 2-6?\n", "-4", solution="2-6=-4"))
    assert (text[:start], text[start:]) == (before, scored)


def test_a_template_that_changes_the_question_cannot_score_it() -> None:
    with pytest.raises(UserError, match="chat template changes the text of prompt id"):
        scored_text("question", "<user>2 - 6 ?<assistant>", Prompt("id", "2-6?", "-4"))


def test_the_lab_renders_its_own_marks() -> None:
    lab = load_tokenizer(packaged("package:lab/tiny"))
    assert render(lab, messages(SHORT, "2+2=?", accepts_system_role(lab))) == "<|user|>2+2=?<|assistant|>"
