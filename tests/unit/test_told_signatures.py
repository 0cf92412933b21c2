"""The three failure signatures in run folders: told where they are planted, silent on twenty healthy runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.planted import NUM_QUESTIONS, plant
from ufo_rl.report import compare
from ufo_rl.report.comparing.signatures import CURE_COSTLY, CURE_UNSTABLE, CURE_WORSE

STEPS, SEEDS, ARMS = 60, 5, ("full", "random", "ufo", "accuracy")


def healthy(folder: Path, chance: int, arms: tuple[str, ...] = ARMS, seeds: int = SEEDS) -> None:
    """Runs that differ by chance alone: every policy solves a question as often as any other, rewards rise alike."""
    noise = np.random.default_rng(chance)
    solved = noise.beta(2, 1, NUM_QUESTIONS)
    for arm in arms:
        for seed in range(seeds):
            wrong = frozenset(np.flatnonzero(noise.random(NUM_QUESTIONS) > solved).tolist())
            level = noise.uniform(0.4, 0.6)  # of the prompts that this seed drew
            rewards = level + 0.003 * np.arange(STEPS) + 0.1 * noise.normal(size=STEPS)
            signals = {"confidence": 2.0} if arm == "ufo" else {"pass_rate": 30.0} if arm == "accuracy" else None
            settings = {"ratio": 1.0} if arm == "full" else {}
            plant(
                folder, arm, wrong, seed=seed, steps=STEPS, train_seconds=60.0 + seed, rewards=list(map(float, rewards)),
                signals=signals, **settings,
            )  # fmt: skip


def told(folder: Path) -> str:
    return " ".join(compare([folder]).rpartition("Warnings:")[2].split())


@pytest.mark.parametrize("chance", range(5))
def test_nothing_is_told_of_twenty_healthy_runs(tmp_path: Path, chance: int) -> None:
    healthy(tmp_path, chance)
    assert len(list(tmp_path.glob("sweeps/demo/*"))) == 20
    assert told(tmp_path) == "none."


def test_worse_than_full_is_told_of_the_arm(tmp_path: Path) -> None:
    for seed in range(3):  # 80.0 %, and 75.0, 74.8, 75.2: mean -5.0, s 0.2, t(0.975, 2) = 4.3027: +- 0.5
        plant(tmp_path, "full", range(400, 500), ratio=1.0, seed=seed)
        plant(tmp_path, "ufo", range((375, 374, 376)[seed], 500), seed=seed)
    words = f"- ufo 10%: worse than full on math500 in the mean of 3 seeds: -5.0 [-5.5, -4.5] points; {CURE_WORSE}"
    assert told(tmp_path) == words


def test_two_seeds_are_told_in_their_mean_where_the_third_has_no_partner(tmp_path: Path) -> None:
    for seed in range(3):
        if seed < 2:
            plant(tmp_path, "full", range(400, 500), ratio=1.0, seed=seed)
        plant(tmp_path, "ufo", range(300, 500), seed=seed)
    found = told(tmp_path)
    # twice -20.0: s is one question of 500, t(0.975, 1) = 12.706: +- 12.706 * 0.2 / sqrt(2) = 1.8
    assert "- ufo 10%: worse than full on math500 in the mean of 2 seeds: -20.0 [-21.8, -18.2] points" in found


def test_an_unstable_training_is_told_within_a_run_and_between_seeds(tmp_path: Path) -> None:
    healthy(tmp_path, 0, ("full", "ufo"), 3)
    noise = np.random.default_rng(9)
    falling = 0.6 - 0.008 * np.arange(STEPS) + 0.05 * noise.normal(size=STEPS)
    plant(tmp_path, "ufo", range(400, 500), seed=7, steps=STEPS, rewards=list(map(float, falling)))
    found = told(tmp_path)
    assert "- ufo 10%: unstable: seeds are unlike" in found and "in seed 7" in found
    assert "- ufo 10% seed 7: unstable: reward fell" in found
    assert found.count(CURE_UNSTABLE) == 2 and found.count("unstable") == 2


def test_a_selection_that_costs_more_than_it_saves_is_told(tmp_path: Path) -> None:
    plant(tmp_path, "full", range(400, 500), ratio=1.0, steps=300, train_seconds=600.0)
    settings = {"train": {"max_steps": 300}}  # the same settings: the budget is in epochs
    plant(tmp_path, "accuracy", range(400, 500), signals={"pass_rate": 550.0}, config=settings)
    found = told(tmp_path)
    assert "accuracy 10% seed 0: selection cost more than it saved" in found and found.endswith(CURE_COSTLY)
