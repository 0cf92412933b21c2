"""Alarms: each planted fault rings by its name, in the step stated, and nothing rings in healthy trainings."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from ufo_rl.report.comparing.signatures import alarms
from ufo_rl.training.alarms import CURES, PATIENCE, Alarms


def healthy(step: int, noise: np.random.Generator) -> dict[str, Any]:
    """As lines of a lab are: noisy, the reward rising, the entropy falling by half, lengths within a factor of two."""
    return {
        "loss": noise.normal(0, 0.02),
        "grad_norm": float(np.exp(noise.normal(0, 0.4))),
        "kl": 0.002 * step,
        "entropy": 0.5 * 0.99**step * (1 + 0.1 * noise.normal()),
        "completions/mean_length": 40 + 10 * noise.uniform(-1, 1) - 0.2 * step,
        "completions/clipped_ratio": noise.uniform(0, 0.3),
        "frac_reward_zero_std": noise.uniform(0, 0.9),
        "unparsed_share": noise.uniform(0, 0.2),
        "reward": 0.3 + 0.005 * step,
    }


def rung(changes: dict[str, Any], begin: int = 20, steps: int = 40) -> dict[str, int]:
    """Names and steps of what rings where the lines from `begin` on have these values."""
    noise, watch, found = np.random.default_rng(0), Alarms(), {}
    for step in range(1, steps + 1):
        line = healthy(step, noise) | (changes if step >= begin else {})
        found |= {alarm.name: step for alarm in watch.look(line)}
    return found


@pytest.mark.parametrize(
    ("changes", "name", "step"),
    [
        ({"loss": math.nan}, "not_a_number", 20),
        ({"grad_norm": "inf"}, "not_a_number", 20),  # as the journal writes it
        ({"frac_reward_zero_std": 1.0}, "all_dead", 22),
        ({"completions/mean_length": 5.0}, "length_collapse", 22),
        ({"completions/mean_length": 200.0}, "length_explosion", 22),
        ({"completions/clipped_ratio": 0.95}, "cut_off", 22),
        ({"unparsed_share": 0.6}, "unparsed_rewarded", 22),
        ({"entropy": 0.01}, "entropy_collapse", 22),
        ({"kl": 3.0}, "kl_blow_up", 22),
        ({"grad_norm": 40.0}, "gradient_spikes", 22),
    ],
)
def test_a_planted_fault_rings_once_by_its_name(changes: dict[str, Any], name: str, step: int) -> None:
    assert rung(changes) == {name: step} and step - 20 in (0, PATIENCE - 1)


def test_unparsed_answers_that_cost_reward_are_learnt_away() -> None:
    assert rung({"unparsed_share": 0.6, "reward": 0.1}) == {}


def test_what_is_wrong_from_the_first_line_rings_too() -> None:
    assert rung({"frac_reward_zero_std": 1.0}, begin=1) == {"all_dead": PATIENCE}
    assert rung({"loss": math.nan}, begin=1) == {"not_a_number": 1}


@pytest.mark.parametrize("seed", range(20))
def test_nothing_rings_in_a_healthy_training(seed: int) -> None:
    noise, watch = np.random.default_rng(seed), Alarms()
    assert [watch.look(healthy(step, noise)) for step in range(1, 101)] == [[]] * 100


def test_an_alarm_rings_again_after_a_pause() -> None:
    noise, watch, dead = np.random.default_rng(0), Alarms(), {"frac_reward_zero_std": 1.0}
    lines = [healthy(step, noise) | (dead if step % 10 < 4 else {}) for step in range(10, 40)]
    assert [alarm.name for line in lines for alarm in watch.look(line)] == ["all_dead"] * 3


def test_compare_tells_the_first_of_each_name() -> None:
    told = [
        {"event": "alarm", "step": step, "name": name, "words": f"words {step}", "cure": CURES[name]}
        for step, name in ((7, "all_dead"), (9, "cut_off"), (30, "all_dead"))
    ]
    assert alarms({0: [{"event": "metrics", "step": 1}, *told]}) == [
        f"all_dead at step 7: words 7; {CURES['all_dead']}",
        f"cut_off at step 9: words 9; {CURES['cut_off']}",
    ]
    assert alarms({0: told, 1: [told[0] | {"step": 5, "words": "words 5"}], 2: []}) == [
        f"all_dead in 2 of 3 seeds, first in seed 1 at step 5: words 5; {CURES['all_dead']}",
        f"cut_off in 1 of 3 seeds, first in seed 0 at step 9: words 9; {CURES['cut_off']}",
    ]


def test_what_was_usual_outlives_an_interruption() -> None:
    """Alarms whose state goes through JSON after each line ring as those that never stopped."""
    noise, whole, parts = np.random.default_rng(0), Alarms(), Alarms()
    rung = [], []
    for step in range(1, 41):
        line = healthy(step, noise) | ({"entropy": 0.01} if step >= 20 else {})
        rung[0].extend((step, alarm.name) for alarm in whole.look(line))
        rung[1].extend((step, alarm.name) for alarm in parts.look(line))
        state = json.loads(json.dumps(parts.state()))
        parts = Alarms()
        parts.load(state)
    assert rung[0] == rung[1] == [(22, "entropy_collapse")]
