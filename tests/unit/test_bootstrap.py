"""Clustered intervals: coverage in simulation, scipy's bootstrap, and the ends where a bootstrap has no width."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ufo_rl.stats.bootstrap import bootstrap_of_counts, clustered_bootstrap, paired_bootstrap
from ufo_rl.stats.intervals import paired_difference, wilson

# Pass rates of the questions, as parameters of a Beta distribution.
U_SHAPED, UNIFORM, CONCENTRATED, HARD = (0.3, 0.3), (1.0, 1.0), (20.0, 20.0), (0.3, 2.7)
# By number of questions; 1,000 trials have a standard error of 0.7 points.
SAMPLES = {30: 16, 100: 4, 500: 4}
TRIALS = {30: 1500, 100: 1000, 500: 1000}


def shares(generator: np.random.Generator, rates_N: np.ndarray, num_samples: int) -> np.ndarray:
    return generator.binomial(num_samples, rates_N) / num_samples


@pytest.mark.parametrize("n", SAMPLES)
@pytest.mark.parametrize("rates", [U_SHAPED, UNIFORM, CONCENTRATED, HARD])
def test_the_interval_covers_the_truth(rates, n):
    generator, truth = np.random.default_rng(n), rates[0] / sum(rates)
    num_covered = 0
    for trial in range(TRIALS[n]):
        values_N = shares(generator, generator.beta(*rates, n), SAMPLES[n])
        low, high = clustered_bootstrap(values_N, seed=trial, resamples=1000)
        num_covered += low <= truth <= high
    assert 0.93 <= num_covered / TRIALS[n] <= 0.97


@pytest.mark.parametrize("n", SAMPLES)
@pytest.mark.parametrize("rates", [U_SHAPED, HARD])
def test_the_paired_interval_covers_the_truth(rates, n):
    # b solves a tenth of what a does not: the truth is a tenth of 1 - mean
    generator, truth = np.random.default_rng(n), 0.1 * (1 - rates[0] / sum(rates))
    num_covered = 0
    for trial in range(1000):
        rates_N = generator.beta(*rates, n)
        a, b = (shares(generator, own, SAMPLES[n]) for own in (rates_N, rates_N + 0.1 * (1 - rates_N)))
        difference = paired_bootstrap(a, b, seed=trial, resamples=1000)
        num_covered += difference.low <= truth <= difference.high
    assert 0.93 <= num_covered / 1000 <= 0.97


@pytest.fixture
def hard_values() -> np.ndarray:
    """30 questions, 8 samples: 14 never solved, the rest from 1 of 8 up to always."""
    return np.repeat(np.arange(9) / 8, [14, 5, 3, 2, 2, 1, 1, 1, 1])


# 30 questions whose means of resamples hardly ever tie, most of them hard.
SKEWED = np.linspace(0.01, 0.99, 30) ** 4
# Phi(-2.0452296 sqrt(30 / 29)), with Student's t of 29 degrees of freedom.
LEVEL_30 = 0.0187539


def scipys_interval(values: np.ndarray, method: str) -> tuple[float, float]:
    from scipy.stats import bootstrap

    generator = np.random.default_rng(1)
    return bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * LEVEL_30, n_resamples=200_000, method=method, rng=generator
    ).confidence_interval


def test_equals_scipys_bca_at_the_expanded_level():
    own = clustered_bootstrap(SKEWED, seed=0, resamples=200_000)
    assert own == pytest.approx(scipys_interval(SKEWED, "BCa"), abs=0.002)


def test_the_paired_interval_equals_scipys_percentiles_at_the_expanded_level():
    other = SKEWED[::-1] ** 2
    own = paired_bootstrap(SKEWED, other, seed=0, resamples=200_000)
    assert own.value == pytest.approx(other.mean() - SKEWED.mean(), abs=1e-12)
    assert own[1:] == pytest.approx(scipys_interval(other - SKEWED, "percentile"), abs=0.002)


def test_draws_repeat_with_the_seed_and_whatever_the_order(hard_values):
    first = clustered_bootstrap(hard_values, seed=3)
    assert clustered_bootstrap(hard_values, seed=3) == first
    assert clustered_bootstrap(hard_values[::-1], seed=3) == first
    assert clustered_bootstrap(hard_values, seed=4, resamples=50) != clustered_bootstrap(hard_values, 3, resamples=50)


def test_many_distinct_values_are_drawn_in_blocks():
    # 3,000 values at 1,000 resamples are four blocks. The mean of 0..2999 over 3,000 is 0.49983, its standard error
    # sqrt((3000^2 - 1) / 12) / 3000 / sqrt(2999) = 0.0052713, so the half width is 1.96 times that
    low, high = clustered_bootstrap(np.arange(3000) / 3000, seed=0, resamples=1000)
    assert (low, high) == pytest.approx((0.49983 - 0.010332, 0.49983 + 0.010332), abs=0.0015)


def test_copies_of_a_sample_add_nothing():
    # what a bootstrap over samples would get wrong: 64 samples that all agree are one sample
    solved = np.array([[1] * 64] * 6 + [[0] * 64] * 24)
    assert clustered_bootstrap(solved.mean(axis=1), seed=0) == wilson(6, 30)


@pytest.mark.parametrize("num_correct", [0, 1, 29, 30])
def test_zeros_and_ones_have_wilsons_interval(num_correct):
    values_N = np.repeat([1.0, 0.0], [num_correct, 30 - num_correct])
    assert clustered_bootstrap(values_N, seed=0) == wilson(num_correct, 30)


def test_equal_values_and_few_questions_have_wilsons_interval():
    assert clustered_bootstrap(np.full(40, 0.25), seed=0) == wilson(10, 40)
    assert clustered_bootstrap([0.25, 0.5, 0.75, 0.5], seed=0) == wilson(2, 4)
    assert clustered_bootstrap(np.full(10, 0.1), seed=0) == wilson(1, 10)
    assert clustered_bootstrap([0.5], seed=0) == wilson(0.5, 1)


def test_one_answer_of_many_still_has_width():
    # 1 of 4 right at one question of 30, mean 0.0083: 4 of 30 such questions (0.033) are still possible
    low, high = clustered_bootstrap([0.25] + [0.0] * 29, seed=0)
    assert low == 0.0
    assert 0.033 < high < wilson(1, 30)[1]


def test_paired_zeros_and_ones_have_the_interval_of_the_greedy_comparison():
    a, b = np.repeat([1, 1, 0, 0], [20, 3, 9, 28]), np.repeat([1, 0, 1, 0], [20, 3, 9, 28])
    assert paired_bootstrap(a, b, seed=0) == pytest.approx(paired_difference(a, b), abs=1e-15)


def test_equal_arms_still_have_width(hard_values):
    # no question gained or lost by more than the added one: z * sqrt(2) / 32 = 0.086619
    difference = paired_bootstrap(hard_values, hard_values, seed=0)
    assert difference == pytest.approx((0.0, -0.086619, 0.086619), abs=1e-6)


def test_a_gain_equal_everywhere_still_has_width():
    # 30 changes of 0.25: centre 7.5/32 = 0.234375, variance (30/16 + 2)/32 - centre^2 = 0.0661621,
    # half width 1.95996 * sqrt(0.0661621 / 32) = 0.089121
    a = np.repeat([0.0, 0.5], 15)
    difference = paired_bootstrap(a, a + 0.25, seed=0)
    assert difference == pytest.approx((0.25, 0.234375 - 0.089121, 0.234375 + 0.089121), abs=1e-5)


def test_few_pairs_worked_by_hand():
    # changes 0.5, 0, 0.25, -0.25: sum 0.5, squares 0.375. Centre 0.5/6, variance 2.375/6 - 0.0069444 = 0.3888889,
    # half width 1.95996 * sqrt(0.3888889 / 6) = 0.498982
    difference = paired_bootstrap([0.25, 0.5, 0.5, 0.5], [0.75, 0.5, 0.75, 0.25], seed=0)
    assert difference == pytest.approx((0.125, 0.083333 - 0.498982, 0.083333 + 0.498982), abs=1e-5)


def test_paired_difference_changes_sign_when_the_arms_are_swapped(hard_values):
    other = np.roll(hard_values, 9)
    forward, backward = paired_bootstrap(hard_values, other, seed=0), paired_bootstrap(other, hard_values, seed=0)
    assert forward == pytest.approx((-backward.value, -backward.high, -backward.low), abs=0.01)


@pytest.mark.parametrize("values", [[], [[0.5]], [0.5, 1.01], [-0.01], [0.5, math.nan]])
def test_refuses_what_is_no_share_per_question(values):
    with pytest.raises(ValueError, match="clustered_bootstrap needs one value"):
        clustered_bootstrap(values, seed=0)
    with pytest.raises(ValueError, match="paired_bootstrap needs one value"):
        paired_bootstrap([0.5], values, seed=0)


def test_refuses_unpaired_arrays():
    with pytest.raises(ValueError, match="2 and 3 questions"):
        paired_bootstrap([0.5, 0.5], [0.5, 0.5, 0.5], seed=0)


def test_questions_may_be_counted_by_their_value(hard_values):
    distinct, counts = np.unique(hard_values, return_counts=True)
    assert bootstrap_of_counts(distinct, counts, seed=3) == clustered_bootstrap(hard_values, seed=3)
    assert bootstrap_of_counts([0.5], [4], seed=0) == wilson(2, 4)
    # a million questions are drawn as nine counts; their interval is a normal one
    low, high = bootstrap_of_counts(distinct, counts * 33_334, seed=0, resamples=2000)
    error = float(hard_values.std()) / math.sqrt(33_334 * 30)
    assert (low, high) == pytest.approx(
        (hard_values.mean() - 1.96 * error, hard_values.mean() + 1.96 * error), abs=error / 5
    )


@pytest.mark.parametrize("distinct, counts", [([0.5, 0.2], [1, 1]), ([0.2, 0.5], [1]), ([0.2], [0]), ([], [])])
def test_counts_that_are_none_are_refused(distinct, counts):
    with pytest.raises(ValueError, match="bootstrap_of_counts needs"):
        bootstrap_of_counts(distinct, counts, seed=0)
