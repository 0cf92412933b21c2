# ruff: noqa: RUF001  (signs that look alike are what this file is about)
"""Answers said in ten languages, by hand: at least 98 % of the verdicts are right in each, and no wrong answer is right."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.text.extract import extract
from ufo_rl.grader.math.text.statement import with_points

CASES = Path(__file__).parents[1] / "data" / "said_answers.jsonl"
LANGUAGES = {"zh", "ja", "ko", "ru", "es", "fr", "de", "pt", "it", "en"}


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    made = MathGrader(time_limit_s=10, max_chars=2000)
    yield made
    made.close()


def test_answers_said_in_ten_languages(grader: MathGrader) -> None:
    cases: list[dict[str, Any]] = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    assert {case["language"] for case in cases} == LANGUAGES
    assert len({case["completion"] for case in cases}) >= 300
    assert sum(not case["correct"] for case in cases) >= 0.4 * len(cases)
    graded = grader.grade_all([case["gold"] for case in cases], [case["completion"] for case in cases])
    is_right: dict[str, list[bool]] = defaultdict(list)
    for case, one in zip(cases, graded, strict=True):
        assert case["correct"] or not one.correct, f"a false positive: {case}, read as {one.extracted}"
        is_right[case["language"]].append(one.correct == case["correct"])
    assert {name: sum(some) / len(some) for name, some in is_right.items() if sum(some) < 0.98 * len(some)} == {}


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("3,5", "3.5"),
        ("-0,25 m", "-0.25 m"),
        ("0{,}25", "0.25"),
        ("1.234.567", "1234567"),
        ("1.234,50", "1234.50"),
        ("1.234", "1.234"),  # may be either: read as in English
        ("1,234", "1,234"),
        ("(3,5)", "(3,5)"),
        ("3, 5", "3, 5"),
        ("1,2,3", "1,2,3"),
    ],
)
def test_commas_and_points_where_they_can_be_nothing_else(said: str, value: str) -> None:
    assert with_points(said) == value


@pytest.mark.parametrize(
    "piece", ["答案是", "答え：", "답은 ", "ответ: ", "la respuesta ", "antwort ist ", "**Answer**\n", "A: 1\n"]
)
def test_time_is_linear_in_every_language(piece: str) -> None:
    start = time.process_time()
    extract(piece * 20_000)
    extract(piece + "x " * 100_000)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("magnitude", ["万", "万元", "億", "천만", "млн", "тысяч", "mil", "Millionen"])
def test_a_magnitude_is_no_unit(grader: MathGrader, magnitude: str) -> None:
    assert not grader.grade("18", rf"\boxed{{18\text{{ {magnitude}}}}}").correct
    assert not grader.grade("18", rf"Answer: 18 {magnitude}").correct


def test_a_unit_of_another_language_is_one(grader: MathGrader) -> None:
    assert all(
        grader.grade("18", rf"\boxed{{18\text{{{unit}}}}}").correct for unit in ("元", "千米", "개", "яблок", "Äpfel")
    )
    assert grader.grade("18元", "答案是18元。").correct
