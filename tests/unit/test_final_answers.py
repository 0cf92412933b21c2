"""What ends the answer's text, what is no answer, and answers in parts: where a completion's final answer stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.text.extract import extract
from ufo_rl.grader.math.text.turn import own_turn

MARKS = (
    *(
        "<|im_end|>",
        "<|eot_id|>",
        "</s>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end|>",
        "<|end_of_text|>",
        "<|eom_id|>",
        "<eos>",
    ),
    *("<|return|>", "<|eot|>", "<|END_OF_TURN_TOKEN|>", "[|endofturn|]", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
    *("<|im_start|>user\n", "<start_of_turn>user\n", "<|start_header_id|>user<|end_header_id|>", "<|user|>", "[INST]"),
)


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    made = MathGrader(time_limit_s=10, max_chars=2000)
    yield made
    made.close()


@pytest.mark.parametrize("mark", MARKS)
def test_text_behind_an_end_of_turn_mark_does_not_count(grader: MathGrader, mark: str) -> None:
    completion = rf"So \boxed{{18}}{mark} No, \boxed{{20}}"
    assert [grader.grade(gold, completion).correct for gold in ("18", "20")] == [True, False]
    assert grader.grade("20", f"I do not know.{mark}The answer is 20.").reason.startswith("unparsed")
    assert grader.grade("18", mark + r"\boxed{18}").correct  # it ends nothing: no text stands before it


@pytest.mark.parametrize(
    "text",
    [
        "<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>7<|end_of_solution|>",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>7",
        "<|im_start|>think\nhm<|im_start|>answer\n7",
        "a < b, </answer>",
    ],
)
def test_marks_inside_a_turn_end_nothing(text: str) -> None:
    assert own_turn(text) == text


def test_the_mark_counts_however_long_the_text_behind_it_is(grader: MathGrader) -> None:
    assert grader.grade("7", r"\boxed{7}<|im_end|>" + " so" * 500_000).correct


@pytest.mark.parametrize(
    "blank",
    [
        *(
            r"\boxed{}",
            r"\boxed{ }",
            r"\boxed{...}",
            r"\boxed{\ldots}",
            r"\boxed{\dots}",
            "\\boxed{\u2026}",
            r"\boxed{?}",
        ),
        *(r"\boxed{\text{your answer}}", r"\boxed{\_\_}", r"\boxed{\square}", r"\fbox{}", "<answer></answer>"),
        *("<answer> ... </answer>", r"<answer>\boxed{}</answer>", "#### ...", "The answer is ..."),
    ],
)
def test_an_empty_marker_is_no_answer_and_wipes_none_out(blank: str) -> None:
    assert extract(blank) == ""
    assert extract(f"The answer is 42.\nAs asked: {blank}") == "42"
    assert extract(f"\\boxed{{42}}\n{blank}\n") == "42"


def test_the_empty_set_is_an_answer() -> None:
    assert extract(r"\boxed{7} no: \boxed{\{\}}") == r"\{\}"
    assert extract(r"\boxed{\emptyset}") == r"\emptyset"


PARTS = (
    "(a) We get \\boxed{{{}}}.\n\n(b) Then \\boxed{{{}}}.",
    "**Part (a)**\n\nThe area is\n$$\\boxed{{{}}}$$\n\n**Part (b)**\n\n$\\boxed{{{}}}$",
    "a) \\boxed{{{}}}\nb) \\boxed{{{}}}",
    "(i) \\boxed{{{}}}\n\n(ii) \\boxed{{{}}}",
    "\uff081\uff09\\boxed{{{}}}\n\n\uff082\uff09\\boxed{{{}}}",
    "The task has parts (a) and (b).\n\n### (a)\nfirst \\boxed{{0}}, no: \\boxed{{{}}}\n### (b)\n\\boxed{{{}}}",
)


@pytest.mark.parametrize("form", PARTS)
def test_boxes_of_parts_are_a_list_in_their_order(grader: MathGrader, form: str) -> None:
    text = form.format("3", r"\frac{1}{2}")
    assert grader.grade(r"3, \frac{1}{2}", text).correct and grader.grade("3, 0.5", text).correct
    wrong = (r"\frac{1}{2}, 3", r"3, \frac{1}{2}, 4", "3, 5", "3")
    assert [gold for gold in wrong if grader.grade(gold, text).correct] == []


def test_boxes_without_parts_are_no_list(grader: MathGrader) -> None:
    assert not grader.grade("3, 5", "First \\boxed{3}.\n\nBut it is \\boxed{5}.").correct
    assert not grader.grade("3, 5", "(b) \\boxed{3}\n\n(c) \\boxed{5}").correct


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("She sells 9 eggs at $2.\nA: 18", "18"),
        ("A: $18", "$18"),
        ("so\n**A:** 3/4 cups\n\nQ: Tom has 3?\nA: 7", "3/4 cups"),
        ("A: 18\n\nExplanation: 9 * 2", "18"),
        ("Q: Is 18 even?\nA: 18", ""),
        ("A: 5\nB: 6\nC: 7", ""),
        ("A) 5 B) 6, so the answer is B.", "B"),
        ("A: 12\nM: 14", ""),
        ("point A: (1,2)", ""),
        ("A: 18 is even, 9 is not.", ""),
        ("A: 18 apples and 3 pears", ""),
        ("so\nA: 18\nThen she buys more.", ""),
    ],
)
def test_a_label_of_one_letter(completion: str, answer: str) -> None:
    assert extract(completion) == answer
