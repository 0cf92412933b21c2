"""Words around a value: units and conditions leave it as it is; what changes it, doubts it or adds another does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.text.extract import extract


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    made = MathGrader(time_limit_s=10, max_chars=2000)
    yield made
    made.close()


UNITS = [
    r"5 apples",
    r"5 square centimetres",
    r"\$5 per hour",
    r"5\text{ cm}",
    r"5\text{ cm}^2",
    r"5\text{ cm^2}",
    r"5 \text{ m/s}^2",
    r"5\text{ years old}",
    r"5\text{ any text}",
    r"5\text{ J/(kg K)}",
    r"5\text{ (cm)}",
    r"5\text{ cookies.}",
    r"5\text{ ways to seat all the people}",
    r"5 times",
    r"5\text{ times}",
    r"5\text{ times as many}",
    r"5 points",
    r"5 seconds",
    r"5\text{ cm}^3/\text{s}",
    r"5\text{ }",
    r"5 people per room",
    r"5\text{ sq. ft.}",
    r"5 \text{ (exactly)}",
    r"\text{The value is }5",
    r"5 \approx 5.0",
]
NO_UNITS = [
    r"5 tenths",
    r"5\text{ hundredths}",
    r"5 quarters",
    r"5 halves",
    r"5 point five",
    r"5 lakh",
    r"5 dozen",
    r"5 Hundred",
    r"5 below zero",
    r"5\text{ below zero}",
    r"5 divided by two",
    r"5 times ten",
    r"5\text{ times }6",
    r"5 choose three",
    r"5 except ten",
    r"5 minus one",
    r"5 maybe six",
    r"5 versus six",
    r"5 or six",
    r"5\text{ or so}",
    r"5\text{ or thereabouts }",
    r"5\text{ but possibly }6",
    r"5 base six",
    r"5\text{ (base 6)}",
    r"5\text{ in base }6",
    r"\text{it cannot be } 5",
    r"none of them is 5",
    r"\text{never equals }5",
    r"\text{Neither is }5",
    r"It is impossible for it to be 5",
    r"anything except what is 5",
    r"5 \approx 6",
    r"5 \approx 5.2",
    r"5 \approx 8 or 9",
    r"5 \text{ about } 8",
    r"5, \text{ where all of } 8, 9, 10",
    r"5 with 8",
    r"5; for each 8 or 9",
    r"5, where x > 8 or 9",
    r"5 where nothing holds",
]


def test_units_do_not_matter(grader: MathGrader) -> None:
    graded = grader.grade_all(["5"] * len(UNITS), [rf"\boxed{{{answer}}}" for answer in UNITS])
    assert [answer for answer, one in zip(UNITS, graded, strict=True) if not one.correct] == []


def test_words_that_change_or_doubt_a_value_are_no_units(grader: MathGrader) -> None:
    graded = grader.grade_all(["5"] * len(NO_UNITS), [rf"\boxed{{{answer}}}" for answer in NO_UNITS])
    assert [answer for answer, one in zip(NO_UNITS, graded, strict=True) if one.correct] == []


@pytest.mark.parametrize(
    ("gold", "answer", "is_right"),
    [
        ("101_2", "101 (base 2)", True),
        ("101_2", r"101\text{ base }2", True),
        ("101_2", r"101 \text{ (base 3)}", False),
        ("12_5", r"12_5 \text{ (base 7)}", False),
        ("no solution", r"\text{No solutions}", True),
        ("x>3", r"x > 3 \text{ where } x \in R", True),
        ("2^n-1", r"2^n-1 \text{ for all integers } n", True),
        ("2^n-1", r"2^n-1 \text{ for all } n", True),
        ("7", r"7 \text{ for all } x", False),
        ("x+1", r"x+1 \text{ for } x>0 \text{ and } x \ne 3", True),
        ("ax+b", r"ax+b, \text{ where } a \text{ and } b \text{ are constants}", True),
        ("x", r"x \text{ with } x+1", False),
        ("(1,2)", "(1,2) with (2,1)", False),
        (r"\sqrt{2}", r"\sqrt{2} \approx 1.414", True),  # 1.41421356..
        (r"\sqrt{2}", r"\sqrt{2} \approx 1.43", False),
        (r"\frac{737}{39}", r"\frac{737}{39}\text{ (about }18.9\text{ cards)}", True),  # 18.897..
        ("3.2", r"x \approx 3.2", True),
        (r"\pi", r"\pi \approx 3.14159", True),
        (r"\frac{1}{3}", r"\frac{1}{3} \approx 33.3\%", True),
        (r"5\sqrt{2}", r"5\sqrt{2}\text{ cm} \approx 7.07\text{ cm}", True),
    ],
)
def test_base_condition_and_approximation(grader: MathGrader, gold: str, answer: str, is_right: bool) -> None:
    assert grader.grade(gold, rf"\boxed{{{answer}}}").correct is is_right


@pytest.mark.parametrize(
    "answer",
    [
        "A. B. C. D.",
        "A) B) C)",
        "D, maybe C or B",
        "E, A, B, C and D",
        "B: C",
        "(B)(C)",
        "B: wrong, it is A",
        "D, or A or B",
        "B, not B",
        "C, then B and A",
        "b) c)",
        "(A), (B)",
        "B. or C",
        "D, not A but B",
        "(B), 7919",
        "(B) or 7919",
    ],
)
def test_several_letters_pick_none(grader: MathGrader, answer: str) -> None:
    first = next(letter for letter in answer.upper() if letter in "ABCDE")
    assert not grader.grade(first, rf"\boxed{{{answer}}}").correct


@pytest.mark.parametrize(
    "answer",
    [
        "D, it can't be A",
        "D (not A)",
        "D and not A or C",
        "D. the third one",
        "D: A polygenic risk score",
        "D. I think so",
        "[D]",
        "d",
        "D) x = 3",
        "D, because A is wrong",
        "D. None of the above",
        "D. Not enough information",
    ],
)
def test_a_letter_may_have_its_text_and_reject_others(grader: MathGrader, answer: str) -> None:
    assert grader.grade("D", rf"\boxed{{{answer}}}").correct
    assert not grader.grade("A", rf"\boxed{{{answer}}}").correct


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("Thus the answer is equal to 7", "7"),
        ("The answer is A. B. C.", "A. B. C"),
        ("The answer is 5, but it could be 6.", "5, but it could be 6"),
        ("The answer is 5, but we should check it.", "5"),
        ("The answer is 5 and it might be 6", "5 and it might be 6"),
        ("The answer is 5, and we check that 2+3=5.", "5"),
        ("The answer is 5 as is 6", "5 as is 6"),
        ("The answer is 5 as 2 + 3 = 5", "5"),
        ("The answer is 5, but not 6", "5"),
        ("The answer is 5. No wait, the answer is not 5.", ""),
        ("Answer: 5\n\nAnswer: not 5", ""),
        ("The answer is 5. I see that the answer is not right.", ""),
        ("The answer is 5. So the answer is incorrect.", ""),
        ("The answer is 5. The answer is not 6.", "5"),
        ("The answer is 5. The answer is not unique.", "5"),
        ("The answer is wrong. Answer: 5", "5"),
        ("Answer: 5. Hence the answer is not 5 but 6.", ""),
        ("The answer isn't 5", ""),
        ("The answer is $5$, but it could be $6$.", "5, but it could be $6$"),
        ("The answer is 5. Or maybe 6.", "5. Or maybe 6"),
        ("The answer is 5. Maybe you see it.", "5"),
        ("The answer is $5$ or $6$.", "5 or $6$"),
        ("The answer is $5$, as $2+3=5$.", "5"),
        ("The answer is 5. Wait, the answer is 6", "6"),
        (r"Answer: 5, and then Answer: not 5. So \boxed{6}", "6"),
    ],
)
def test_what_a_sentence_takes_back_or_adds(completion: str, answer: str) -> None:
    assert extract(completion) == answer


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("10", "1 2 3 4"), ("3", r"1\ 2"), (r"60^\circ", "60'"), ("90", r"\angle ABC = 91 = 90"), ("5", r"2 \quad 3")],
)
def test_no_sum_of_candidates_and_no_minutes_for_degrees(grader: MathGrader, gold: str, answer: str) -> None:
    assert not grader.grade(gold, rf"\boxed{{{answer}}}").correct
