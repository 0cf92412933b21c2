"""The thresholds of unstable training, on journals whose verdict is worked out by hand."""

from __future__ import annotations

from typing import Any

from ufo_rl.report.comparing.judgement import Comparison, verdicts
from ufo_rl.report.comparing.signatures import (
    CURE_UNSTABLE,
    unlike_seeds,
    unstable_training,
    worse,
)
from ufo_rl.stats.intervals import Difference


def train_lines(name: str, values: list[Any]) -> list[dict[str, Any]]:
    return [{"stage": "train", "event": "metrics", "step": i, name: value} for i, value in enumerate(values)]


def test_numbers_that_are_not_finite_are_unstable():
    assert unstable_training(train_lines("loss", [0.1, "nan", 0.2, "inf"])) == [
        f"unstable: loss is not finite at 2 of 4 steps, first 1; {CURE_UNSTABLE}"
    ]
    # logged again after a restart: the later line of a step counts
    assert unstable_training(train_lines("loss", [0.1, "nan"]) + train_lines("loss", [0.1, 0.1])) == []


def test_three_gradient_spikes_are_unstable_two_are_not():
    calm = [1.0, 0.0, 1.2, 0.8, 1.0, 0.0, 1.1]  # zeros: batches without any advantage
    assert unstable_training(train_lines("grad_norm", [*calm, 11.0, 1.0, 12.0])) == []
    (warning,) = unstable_training(train_lines("grad_norm", [*calm, 11.0, 1.0, 12.0, 13.0]))
    assert (
        warning == f"unstable: gradient norm above 10 x its running median at 3 of 11 steps, first 7; {CURE_UNSTABLE}"
    )
    assert unstable_training(train_lines("grad_norm", [0.01, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0])) == []  # warming up


def test_a_falling_reward_is_unstable_a_rising_one_is_not():
    # thirds of 5: mean 0.60 and 0.50, variance 0.00025: error sqrt(0.0005 / 5) = 0.01, a fall of 10 errors
    high, low = [0.58, 0.59, 0.60, 0.61, 0.62], [0.48, 0.49, 0.50, 0.51, 0.52]
    (warning,) = unstable_training(train_lines("reward", [*high, *high, *low]))
    assert warning.startswith("unstable: reward fell from 0.600") and "0.500 (last third)" in warning
    assert unstable_training(train_lines("reward", [*low, *low, *high])) == []
    assert unstable_training(train_lines("reward", [*high[:4], *low[:4], *low[:4]])) == []  # thirds of 4: too few


def test_other_stages_and_lines_without_numbers_do_not_count():
    other = [
        {"stage": "eval", "event": "metrics", "step": 0, "loss": "nan"},
        {"stage": "train", "event": "start"},
    ]
    assert unstable_training(other + train_lines("loss", [0.1, None, "text"])) == []


def test_a_seed_that_gains_far_less_than_the_others_is_told_and_one_that_began_elsewhere_is_not():
    # thirds of 5, variance 0.00025 each: the error of a gain is 0.01, of the difference of two 0.0141, of which five are 0.071;
    # a fifth of the first thirds' mean is 0.12
    low, mid, high = ([level + 0.01 * i for i in (-2, -1, 0, 1, 2)] for level in (0.45, 0.60, 0.75))
    alike = {0: [*mid, *mid, *high], 1: [*low, *low, *mid], 2: [*mid, *mid, *high]}
    assert unlike_seeds(alike) == []
    (warning,) = unlike_seeds(alike | {3: [*mid, *mid, *low]})
    assert "reward changes by -0.150 in seed 3, by +0.150 in the median seed" in warning
    assert unlike_seeds({0: [*mid, *mid, *high], 3: [*mid, *mid, *low]}) == []  # which of two is the usual?


def test_many_comparisons_need_more_than_one():
    """The warning is the verdict's own: what the table does not call worse is no warning."""
    # half width 0.02 at 95 %: z = -2.45, p = 0.0143, among 20 not; z = -3.14, p = 0.0017, among 20 still
    near, far = Difference(-0.025, -0.045, -0.005), Difference(-0.032, -0.052, -0.012)
    nothing = [Comparison([Difference(0.0, -0.02, 0.02)], 100, 500)] * 19

    def told(one: Comparison, others: list[Comparison]) -> list[str]:
        return worse("full", "b", verdicts([one, *others])[0], 1 + len(others))

    assert len(told(Comparison([near], 100, 500), [])) == 1 and told(Comparison([near], 100, 500), nothing) == []
    assert len(told(Comparison([far], 100, 500), nothing)) == 1
    # mean -0.05, s 0.01, t(0.975, 2) = 4.3027: +- 0.0248; p = 0.0131, among 10 not
    seeds = Comparison([Difference(value, value, value) for value in (-0.04, -0.05, -0.06)], 100, 500)
    assert told(seeds, [])[0].startswith("worse than full on b in the mean of 3 seeds: -5.0 [-7.5, -2.5] points")
    assert told(seeds, nothing[:9]) == []
    assert told(Comparison([far], 19, 500), []) == []  # too few answers differ
