"""Worked examples of a template: shown before every question, and a benchmark's own in their place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import identity
from ufo_rl.config.load import load
from ufo_rl.config.schema import Shot, Template
from ufo_rl.errors import UserError
from ufo_rl.model.template import messages, plain_text
from ufo_rl.records import Prompt
from ufo_rl.signals.confidence.target import scored_text

WORKED = Template("worked", "Be short.", "Q: {question}", few_shot=[Shot("1+1?", "#### 2")])


def test_they_are_earlier_turns_of_the_chat_or_texts_in_front() -> None:
    assert messages(WORKED, "2+2?", True) == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Q: 1+1?"},
        {"role": "assistant", "content": "#### 2"},
        {"role": "user", "content": "Q: 2+2?"},
    ]
    assert messages(WORKED, "2+2?", False)[0] == {"role": "user", "content": "Be short.\n\nQ: 1+1?"}
    assert plain_text(WORKED, "2+2?") == "Be short.\n\nQ: 1+1? #### 2\n\nQ: 2+2?"


def test_those_of_a_benchmark_stand_in_their_place() -> None:
    own = [Shot("3+3?", "#### 6")]
    assert [turn["content"] for turn in messages(WORKED, "2+2?", True, own)[1:]] == ["Q: 3+3?", "#### 6", "Q: 2+2?"]
    assert plain_text(WORKED, "2+2?", own) == "Be short.\n\nQ: 3+3? #### 6\n\nQ: 2+2?"


def test_a_question_is_no_example_of_its_own() -> None:
    assert plain_text(WORKED, "1+1?\n") == "Be short.\n\nQ: 1+1?\n"
    assert messages(WORKED, "1+1?", True)[1:] == [{"role": "user", "content": "Q: 1+1?"}]


def test_a_question_that_stands_in_an_example_is_scored_where_it_is_asked() -> None:
    text = plain_text(replace(WORKED, few_shot=[Shot("What is 1+1? Go.", "#### 2")]), "1+1?")
    _, start = scored_text("question", text, Prompt("id", "1+1?", "2"))
    assert start == len("Be short.\n\nQ: What is 1+1? Go. #### 2\n\nQ: ")


def test_examples_that_say_nothing_are_refused() -> None:
    words = ["model=tiny", "template.few_shot=[{question: 1+1?, response: ' '}]"]
    (job,) = compose_jobs([*words, "eval.arithmetic.few_shot=[{question: '', response: '2'}]"])
    with pytest.raises(UserError) as caught:
        load(job.plain)
    first, second = str(caught.value).splitlines()
    cure = "is empty: an example shows a question and its answer; write it, or leave the example out"
    assert (first, second) == (f"template.few_shot[0].response {cure}", f"eval.arithmetic.few_shot[0].question {cure}")


def test_they_are_part_of_what_a_run_is_and_no_examples_are_not() -> None:
    words = ["model=tiny", "dataset=arithmetic"]
    (bare,), (shown,) = (
        compose_jobs([*words, *more]) for more in ([], ["template.few_shot=[{question: 1+1?, response: '2'}]"])
    )
    assert load(shown.plain).template.few_shot == [Shot("1+1?", "2")]
    assert "few_shot" not in identity(bare.plain)["template"]
    assert identity(shown.plain)["template"]["few_shot"] == [{"question": "1+1?", "response": "2"}]
