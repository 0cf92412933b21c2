"""Groups of completions: rewards, and why some teach nothing."""

from __future__ import annotations

import math

import pytest
import torch

from ufo_rl.training.groups import ALL_RIGHT, ALL_WRONG, FORMAT_ONLY, SAME, groups_of

NAN = math.nan
NAMES = ("correctness", "format")


def group(correctness: list[float], form: list[float], names: tuple[str, str] = NAMES) -> tuple[list[float], str]:
    parts = torch.tensor([correctness, form], dtype=torch.float64).T
    (found,) = groups_of(["a"] * len(form), parts, [1.0, 0.2], names, len(form))
    assert found.id == "a"
    return found.rewards, found.dead


@pytest.mark.parametrize(
    ("correctness", "form", "dead"),
    [
        ([1, 1, 1], [1, 1, 1], ALL_RIGHT),
        ([1, 1, 1], [0, 0, 0], ALL_RIGHT),
        ([0, 0, 0], [0, 0, 0], ALL_WRONG),
        ([0, 0, 0], [1, 1, 1], FORMAT_ONLY),
        ([0.5, 0.5, 0.5], [1, 1, 1], SAME),
        ([1, 0, 0], [0, 0, 0], ""),
        ([0, 0, 0], [1, 0, 1], ""),
        ([1, 1, 1], [1, 0, 1], ""),
        ([NAN, NAN, 1], [NAN, 0, 0], ""),  # 0 and 1 of those that anyone judged
        ([NAN, NAN, NAN], [NAN, NAN, NAN], ALL_WRONG),
    ],
)
def test_reasons(correctness: list[float], form: list[float], dead: str) -> None:
    assert group(correctness, form)[1] == dead


def test_totals_are_weighted_sums_and_nan_where_nobody_judged() -> None:
    rewards, _ = group([1, 0, NAN, NAN], [1, 1, 1, NAN])
    assert rewards[:3] == pytest.approx([1.2, 0.2, 0.2]) and math.isnan(rewards[3])


def test_equal_by_other_parts_is_equal() -> None:
    """0.2 x 5 and 1 differ by nothing but rounding."""
    assert group([1, 0], [0, 5])[1] == SAME


def test_without_a_part_that_says_what_is_right_no_reason_is_known() -> None:
    assert group([1, 1], [1, 1], ("length", "format"))[1] == SAME


def test_groups_lie_beside_each_other() -> None:
    parts = torch.tensor([[1.0], [1.0], [0.0], [1.0], [0.0], [0.0]])
    found = groups_of(["a", "a", "b", "b", "c", "c"], parts, [2.0], ["correctness"], 2)
    assert [(one.id, one.rewards, one.dead) for one in found] == [
        ("a", [2.0, 2.0], ALL_RIGHT),
        ("b", [0.0, 2.0], ""),
        ("c", [0.0, 0.0], ALL_WRONG),
    ]
