"""Intervals against published examples, hand-worked numbers, scipy and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ufo_rl.stats.intervals import paired_difference, spearman, wilson


def pairs(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Two 0/1 arrays with these numbers of questions: right in both, only in a, only in b, in neither."""
    a = np.repeat([1, 1, 0, 0], [both, lost, gained, neither])
    b = np.repeat([1, 0, 1, 0], [both, lost, gained, neither])
    return a, b


def test_wilson_matches_newcombes_published_example():
    # Newcombe 1998, Stat. Med. 17:857, table I: 81 of 263 -> 0.2553 to 0.3662; 15 of 148 -> 0.0624 to 0.1605
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_wilson_at_the_ends():
    # 0 of n: the upper end is z^2 / (n + z^2); z^2 = 3.8415, n = 20 -> 0.16113
    assert wilson(0, 20) == pytest.approx((0.0, 3.841459 / 23.841459), abs=1e-6)
    assert wilson(20, 20) == pytest.approx((20 / 23.841459, 1.0), abs=1e-6)


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for num_correct, n in [(1, 3), (250, 500), (1212, 1319)]:
        reference = binomtest(num_correct, n).proportion_ci(method="wilson")
        assert wilson(num_correct, n) == pytest.approx((reference.low, reference.high), abs=1e-12)


@pytest.mark.parametrize("num_correct, n", [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(num_correct, n):
    with pytest.raises(ValueError, match=f"n={n}"):
        wilson(num_correct, n)


def test_paired_difference_worked_by_hand():
    # n = 21, lost 1, gained 7. (7-1)/21 = 0.2857.
    # Adjusted: 8/23 - 2/23 = 0.26087; variance (10/23 - 0.26087^2)/23 = 0.0159443, z * sqrt = 0.247490
    difference = paired_difference(*pairs(1, 1, 7, 12))
    assert difference == pytest.approx((6 / 21, 0.26087 - 0.24749, 0.26087 + 0.24749), abs=1e-5)


def test_paired_difference_changes_sign_when_the_arms_are_swapped():
    a, b = pairs(100, 30, 50, 20)
    forward, backward = paired_difference(a, b), paired_difference(b, a)
    assert forward == pytest.approx((-backward.value, -backward.high, -backward.low), abs=1e-15)


def test_no_discordant_pair_still_has_width():
    # Adjusted shares 1/502 each: half width z * sqrt(2/502/502) = 1.95996 * 0.0028171 = 0.0055215
    difference = paired_difference(*pairs(300, 0, 0, 200))
    assert difference == pytest.approx((0.0, -0.0055215, 0.0055215), abs=1e-6)
    assert difference.contains_zero


def test_difference_of_the_paper_is_no_difference():
    # Qwen2.5-7B on GSM8K, full 1,212 and UFO 1,214 of 1,319: whatever the overlap, the interval contains 0
    for lost in (0, 20, 105):
        difference = paired_difference(*pairs(1212 - lost, lost, lost + 2, 1319 - 1212 - lost - 2))
        assert difference.value == pytest.approx(2 / 1319)
        assert difference.contains_zero


def test_five_points_of_500_is_a_difference():
    assert not paired_difference(*pairs(200, 10, 35, 255)).contains_zero


@pytest.mark.parametrize("share_lost, share_gained", [(0.002, 0.002), (0.01, 0.03), (0.1, 0.15)])
def test_paired_interval_covers_the_truth(share_lost, share_gained):
    generator = np.random.default_rng(0)
    shares = [share_lost, share_gained, 1 - share_lost - share_gained]
    num_covered = 0
    for lost, gained, same in generator.multinomial(200, shares, size=2000):
        difference = paired_difference(*pairs(same, lost, gained, 0))
        num_covered += difference.low <= share_gained - share_lost <= difference.high
    assert num_covered / 2000 >= 0.94  # 95 % less two standard errors of 2,000 draws


@pytest.mark.parametrize("a, b", [([], []), ([1, 0], [1]), ([0, 2], [0, 1]), ([math.nan, 1], [0, 1])])
def test_paired_difference_refuses_unpaired_input(a, b):
    with pytest.raises(ValueError, match="paired_difference"):
        paired_difference(a, b)


def test_spearman_matches_the_authors_published_example():
    # R package statpsych (D. Bonett), ci.spear: 0.8699639, 0.5840951 to 0.9638297; x has a tie
    y = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    x = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    assert spearman(x, y) == pytest.approx((0.8699639, 0.5840951, 0.9638297, 15), abs=1e-6)


def test_spearman_agrees_with_scipy_under_heavy_ties():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(1)
    x = generator.normal(size=300)
    y = np.round(np.clip(x + generator.normal(size=300), 0, 1) * 16) / 16
    assert spearman(x, y).rho == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_spearman_leaves_out_pairs_with_nan():
    x = [1.0, 2.0, 3.0, 4.0, 5.0, math.nan, 7.0]
    y = [2.0, 1.0, 4.0, 3.0, 5.0, 6.0, math.nan]
    assert spearman(x, y) == spearman(x[:5], y[:5])
    assert spearman(x, y).rho == pytest.approx(0.8)  # 1 - 6 * (1+1+1+1+0) / (5 * 24)
    assert spearman(x, y).n == 5


def test_spearman_of_a_constant_column_is_not_defined():
    result = spearman([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0])
    assert math.isnan(result.rho) and math.isnan(result.low) and math.isnan(result.high)
    assert result.n == 4


def test_spearman_of_few_or_perfect_pairs():
    assert spearman([1, 2, 3], [3, 1, 2]) == pytest.approx((-0.5, -1.0, 1.0, 3))
    assert spearman([1, 2, 3, 4, 5], [10, 20, 30, 40, 50]) == (1.0, 1.0, 1.0, 5)
    assert spearman([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == (-1.0, -1.0, -1.0, 5)


def test_spearman_interval_covers_the_truth():
    # A bivariate normal of correlation r has Spearman's rho = 6/pi * asin(r/2)
    generator = np.random.default_rng(2)
    truth = 6 / math.pi * math.asin(0.6 / 2)
    num_covered = 0
    for _ in range(1000):
        x = generator.normal(size=100)
        y = 0.6 * x + 0.8 * generator.normal(size=100)
        result = spearman(x, y)
        num_covered += result.low <= truth <= result.high
    assert num_covered / 1000 >= 0.935
