"""Every gold of seven real benchmarks is right about itself and wrong about its neighbours (UFO_RL_DATA holds the files)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from ufo_rl.reward.answer import Grader
from ufo_rl.reward.extract import extract
from ufo_rl.reward.normal import normalise
from ufo_rl.reward.rational import rational

# Neighbours that are equal by the contract, and why.
EQUAL = {
    "0": "minus zero is zero (twelve golds)",
    r"$0,-1,-\frac{3}{2}$": "minus zero is zero, as the first of a list",
    r"864 \mbox{ inches}^2": "the digit changed is part of the unit, and units do not matter",
    r"15\mbox{ cm}^2": "the digit changed is part of the unit, and units do not matter",
}
REPLACED = (
    *((r"\pm", "+"), ("+", "-"), (r"\le ", "<"), (r"\leq", "<"), ("<", r"\le "), (r"\ge ", ">"), (r"\geq", ">")),
    *((r"\cup", r"\cap"), (r"\sin", r"\cos"), (r"\pi", "e")),
)
OTHER_BRACKET = {"(": "[", "[": "(", ")": "]", "]": ")"}


@pytest.fixture(scope="module")
def golds(shared_data: Path) -> dict[str, list[str]]:
    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (shared_data / f"{name}.jsonl").read_text().splitlines()]

    return {
        "math500": [row["answer"] for row in rows("math500_test")],
        "gsm8k": [row["answer"].rpartition("####")[2].strip() for row in rows("gsm8k_test")],
        "olympiadbench": [row["final_answer"][0] for row in rows("olympiadbench_test")],
        "minerva": [extract(row["solution"]) for row in rows("minerva_math_test")],
        "aime24": [row["answer"] for row in rows("aime24_test")],
        "aime25": [row["answer"] for row in rows("aime25_test")],
        "amc23": [str(row["answer"]) for row in rows("amc23_test")],
    }


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    made = Grader(time_limit_s=10, max_chars=2000)
    yield made
    made.close()


def neighbours(gold: str) -> Iterator[str]:
    """The gold with a digit, a sign, a relation or a bracket changed, two items swapped, one more or one fewer."""
    digits = [match.start() for match in re.finditer(r"\d", gold)]
    for at in sorted({*digits[:1], *digits[-1:], *digits[len(digits) // 2 :][:1]}):
        yield gold[:at] + str((int(gold[at]) + 1) % 10) + gold[at + 1 :]
    yield gold[1:] if gold.startswith("-") else "-" + gold
    if (at := gold.find("-", 1)) > 0:
        yield gold[:at] + "+" + gold[at + 1 :]
    yield from (gold.replace(old, new, 1) for old, new in REPLACED if old in gold)
    if match := re.fullmatch(r"((?:\\left)?)([(\[])(.*,.*)([)\]])", gold):
        yield f"{match[1]}{OTHER_BRACKET[match[2]]}{match[3]}{match[4]}"
        yield f"{match[1]}{match[2]}{match[3]}{OTHER_BRACKET[match[4]]}"
    if match := re.fullmatch(r"\(([^(),]*),([^(),]*)(.*)\)", gold):
        yield f"({match[2]},{match[1]}{match[3]})"
    yield re.sub(r"frac\{(\w+)\}\{(\w+)\}", r"frac{\2}{\1}", gold, count=1)
    yield gold + ", 7919"
    yield gold + " or 7919"
    if not re.fullmatch(r"\d{1,3}(,\d{3})+", gold):
        yield re.sub(r",[^(){}\[\],]*$", "", gold)


def test_golds_grade_themselves_correct(grader: Grader, golds: dict[str, list[str]]) -> None:
    sizes = {name: len(some) for name, some in golds.items()}
    assert sizes == {
        **{"math500": 500, "gsm8k": 1319, "olympiadbench": 675, "minerva": 272, "aime24": 30, "aime25": 30, "amc23": 40}
    }
    flat = [gold for some in golds.values() for gold in some]
    graded = grader.grade_all(flat, [rf"so the answer is $\boxed{{{gold}}}$." for gold in flat])
    assert [gold for gold, one in zip(flat, graded, strict=True) if not one.correct] == []


def test_golds_grade_their_neighbours_wrong(grader: Grader, golds: dict[str, list[str]]) -> None:
    pairs = [
        (gold, near)
        for some in golds.values()
        for gold in some
        for near in dict.fromkeys(neighbours(gold))
        if near != gold
    ]
    graded = grader.grade_all([gold for gold, _ in pairs], [rf"\boxed{{{near}}}" for _, near in pairs])
    equal = [gold for (gold, _), one in zip(pairs, graded, strict=True) if one.correct]
    assert (len(pairs), len(equal)) == (15_470, 15)
    assert set(equal) == set(EQUAL)


def decimals(value: Fraction) -> list[str]:
    """A value at six places and six significant digits or more: rounded, and one off from what may be written there."""
    places = max(6, 5 - math.floor(math.log10(abs(value))))
    cut, rounded = math.floor(abs(value) * 10**places), round(abs(value) * 10**places)
    sign = "-" if value < 0 else ""
    return [f"{sign}{n // 10**places}.{n % 10**places:0{places}d}" for n in (rounded, cut - 1, rounded + 1)]


def test_decimals_of_fractions_are_right_to_the_last_place(grader: Grader, golds: dict[str, list[str]]) -> None:
    fractions = [
        (gold, value)
        for name in ("math500", "minerva", "olympiadbench")
        for gold in golds[name]
        if re.search("/|frac", gold) and (value := rational(normalise(gold))) is not None and value.denominator > 1
    ]
    rows = [(gold, decimal) for gold, value in fractions for decimal in decimals(value)]
    graded = grader.grade_all([gold for gold, _ in rows], [rf"\boxed{{{decimal}}}" for _, decimal in rows])
    is_right = [one.correct for one in graded]
    assert (len(fractions), len(rows)) == (134, 3 * 134)
    assert [row for row, right in zip(rows[0::3], is_right[0::3], strict=True) if not right] == [
        (r"\frac{9}{256}", "0.0351562"),  # which is 0.03515625
        (r"$\frac{79}{128}$", "0.617188"),  # which is 0.6171875
    ]
    assert [row for rest in (1, 2) for row, right in zip(rows[rest::3], is_right[rest::3], strict=True) if right] == []


def test_nothing_that_is_always_the_same_is_right_for_tiny_numbers(grader: Grader, golds: dict[str, list[str]]) -> None:
    tiny = [gold for gold in golds["minerva"] if re.fullmatch(r"[\d.]+e-\d+", gold) and float(gold) < 0.01]
    rows = [(gold, answer) for gold in tiny for answer in ("0.000001", "0.000000", "0", "1", "-0.000001")]
    graded = grader.grade_all([gold for gold, _ in rows], [rf"\boxed{{{answer}}}" for _, answer in rows])
    assert len(tiny) == 22
    assert [row for row, one in zip(rows, graded, strict=True) if one.correct] == []
