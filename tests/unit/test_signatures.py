"""The thresholds of unstable training, on journals whose verdict is worked out by hand."""

from __future__ import annotations

from typing import Any

from ufo_rl.report.signatures import unstable_training


def train_lines(name: str, values: list[Any]) -> list[dict[str, Any]]:
    return [{"stage": "train", "event": "metrics", "step": i, name: value} for i, value in enumerate(values)]


def test_numbers_that_are_not_finite_are_unstable():
    assert unstable_training(train_lines("loss", [0.1, "nan", 0.2, "inf"])) == [
        "unstable: loss is not finite at 2 of 4 steps, first 1"
    ]
    # logged again after a restart: the later line of a step counts
    assert unstable_training(train_lines("loss", [0.1, "nan"]) + train_lines("loss", [0.1, 0.1])) == []


def test_three_gradient_spikes_are_unstable_two_are_not():
    calm = [1.0, 0.0, 1.2, 0.8, 1.0, 0.0, 1.1]  # zeros: batches without any advantage
    assert unstable_training(train_lines("grad_norm", [*calm, 11.0, 1.0, 12.0])) == []
    (warning,) = unstable_training(train_lines("grad_norm", [*calm, 11.0, 1.0, 12.0, 13.0]))
    assert warning == "unstable: gradient norm above 10 x its running median at 3 of 11 steps, first 7"
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
