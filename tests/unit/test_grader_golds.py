"""Every gold of seven real benchmarks is right about itself and wrong about its neighbours (UFO_RL_DATA holds the files)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grader_verdicts import changes, decimal_pairs, golds_of, key, neighbour_pairs, pinned_pairs, read_pinned
from ufo_rl.grader.math import MathGrader

# Neighbours that are equal by the contract, and why.
EQUAL = {
    "0": "minus zero is zero (twelve golds)",
    r"$0,-1,-\frac{3}{2}$": "minus zero is zero, as the first of a list",
    r"864 \mbox{ inches}^2": "the digit changed is part of the unit, and units do not matter",
    r"15\mbox{ cm}^2": "the digit changed is part of the unit, and units do not matter",
}
NUM_PAIRS, NUM_RIGHT = 9186, 796  # 17,082 pairs, many of them more than once: the same small numbers


@pytest.fixture(scope="module")
def golds(shared_data: Path) -> dict[str, list[str]]:
    return golds_of(shared_data)


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    made = MathGrader(time_limit_s=10, max_chars=2000)
    yield made
    made.close()


def test_golds_grade_themselves_correct(grader: MathGrader, golds: dict[str, list[str]]) -> None:
    sizes = {name: len(some) for name, some in golds.items()}
    assert sizes == {
        **{"math500": 500, "gsm8k": 1319, "olympiadbench": 675, "minerva": 272, "aime24": 30, "aime25": 30, "amc23": 40}
    }
    flat = [gold for some in golds.values() for gold in some]
    graded = grader.grade_all(flat, [rf"so the answer is $\boxed{{{gold}}}$." for gold in flat])
    assert [gold for gold, one in zip(flat, graded, strict=True) if not one.correct] == []


@pytest.mark.soak
def test_golds_grade_their_neighbours_wrong(grader: MathGrader, golds: dict[str, list[str]]) -> None:
    pairs = neighbour_pairs(golds)
    graded = grader.grade_all([gold for gold, _ in pairs], [rf"\boxed{{{near}}}" for _, near in pairs])
    equal = [gold for (gold, _), one in zip(pairs, graded, strict=True) if one.correct]
    assert (len(pairs), len(equal)) == (15_470, 15)
    assert set(equal) == set(EQUAL)


def test_decimals_of_fractions_are_right_to_the_last_place(grader: MathGrader, golds: dict[str, list[str]]) -> None:
    rows = decimal_pairs(golds)
    graded = grader.grade_all([gold for gold, _ in rows], [rf"\boxed{{{decimal}}}" for _, decimal in rows])
    is_right = [one.correct for one in graded]
    assert len(rows) == 3 * 134
    assert [row for row, right in zip(rows[0::3], is_right[0::3], strict=True) if not right] == [
        (r"\frac{9}{256}", "0.0351562"),  # which is 0.03515625
        (r"$\frac{79}{128}$", "0.617188"),  # which is 0.6171875
    ]
    assert [row for rest in (1, 2) for row, right in zip(rows[rest::3], is_right[rest::3], strict=True) if right] == []


def test_nothing_that_is_always_the_same_is_right_for_tiny_numbers(
    grader: MathGrader, golds: dict[str, list[str]]
) -> None:
    tiny = [gold for gold in golds["minerva"] if re.fullmatch(r"[\d.]+e-\d+", gold) and float(gold) < 0.01]
    rows = [(gold, answer) for gold in tiny for answer in ("0.000001", "0.000000", "0", "1", "-0.000001")]
    graded = grader.grade_all([gold for gold, _ in rows], [rf"\boxed{{{answer}}}" for _, answer in rows])
    assert len(tiny) == 22
    assert [row for row, one in zip(rows, graded, strict=True) if one.correct] == []


@pytest.mark.soak
def test_whoever_changes_a_verdict_raises_the_version(grader: MathGrader, shared_data: Path) -> None:
    version, pinned = read_pinned()
    pairs = pinned_pairs(shared_data)
    found = [one.correct for one in grader.grade_all(*zip(*pairs, strict=True))]
    changed = changes(pairs, found, pinned)
    assert changed == "", f"{changed}\nIf they should: raise MathGrader.version, run `python -m tests.grader_verdicts`"
    assert (version, len(pairs), sum(found)) == (str(grader.version), NUM_PAIRS, NUM_RIGHT)


def test_a_changed_verdict_is_named_with_its_pair() -> None:
    pairs = [(str(number), rf"\boxed{{{number + number % 2}}}") for number in range(50)]
    found = [number % 2 == 0 for number in range(50)]
    pinned = dict(zip(map(key, pairs), found, strict=True))
    assert changes(pairs, found, pinned) == ""
    flipped = {**pinned, key(pairs[7]): True, key(pairs[8]): False}
    assert changes(pairs, found, flipped).splitlines() == [
        "2 verdicts changed:",
        r"  gold '7', completion '\\boxed{8}': right -> wrong",
        r"  gold '8', completion '\\boxed{8}': wrong -> right",
    ]
    lines = changes(pairs, [not one for one in found], pinned).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("50 verdicts changed:", 22, "  and 30 more")
    assert changes(pairs[1:], found[1:], pinned).endswith(f"pair {key(pairs[0])}: no longer among the pairs")
    assert changes(pairs[:1], found[:1], {}).endswith("not pinned -> right")
