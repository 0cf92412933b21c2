"""Groups whose completions all have the same reward: no advantage, no gradient, and counted as what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.model.template import messages
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.reward.parts import Part
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.trl_trainer import Trainer

LAB = packaged("package:lab/tiny")


def trainer_of(folder: Path, weights: tuple[float, ...], *overrides: str, rewards: Any = None) -> Trainer:
    """On two prompts, a group of 8 each; every part gives 1, or what `rewards` says of the place in the batch, of all parts or
    by part."""
    if rewards is None or not isinstance(rewards[0], list):
        rewards = [rewards] * len(weights)
    (job,) = compose_jobs(["model=tiny", "train.max_steps=1", "train.per_device_train_batch_size=16", *overrides])
    config = load(job.plain)
    rows = [{"id": str(i), "prompt": messages(config.template, f"{i}+1=?", True), "answer": "2"} for i in range(2)]
    arguments = grpo_arguments(config.train, None, 0, folder, True, list(weights))
    parts = [
        Part(f"part{number}", weight, lambda completions, own=own: own or [1.0] * len(completions))
        for number, (weight, own) in enumerate(zip(weights, rewards, strict=True))
    ]
    return make_trainer(arguments, rows, LAB, load_tokenizer(LAB), parts, TrainerCallback())


def step(trainer: Trainer) -> tuple[float, dict[str, Any]]:
    """How far the weights moved, and what TRL logged."""
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    trainer.train()
    moved = max((now - then).abs().max().item() for now, then in zip(trainer.model.parameters(), before, strict=True))
    return moved, next(line for line in trainer.state.log_history if "frac_reward_zero_std" in line)


# 1.0 and 0.2 are the default's; in float32 the mean of eight times their sum is another number
@pytest.mark.parametrize("weights", [(1.0, 0.2), (0.2,), (0.1, 0.7, 0.05), (1000.3,)])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_equal_rewards_move_no_weight(tmp_path: Path, weights: tuple[float, ...], scale: str) -> None:
    moved, logged = step(trainer_of(tmp_path, weights, f"train.scale_rewards={scale}"))
    assert moved == 0.0 and logged["grad_norm"] == 0.0
    assert logged["frac_reward_zero_std"] == 1.0


def test_sums_that_are_equal_by_other_parts_are_equal(tmp_path: Path) -> None:
    """0.1 + 0.2 and 0.3, which float32 tells apart, as weights and as values of parts."""
    one, other = [1.0, 0.0] * 8, [0.0, 1.0] * 8
    moved, logged = step(trainer_of(tmp_path / "a", (0.1, 0.2, 0.3), rewards=[one, one, other]))
    assert moved == 0.0 and logged["frac_reward_zero_std"] == 1.0
    values = [[0.1, 0.3] * 8, [0.2, 0.0] * 8]
    moved, logged = step(trainer_of(tmp_path / "b", (1.0, 1.0), rewards=values))
    assert moved == 0.0 and logged["frac_reward_zero_std"] == 1.0


def test_what_nobody_scored_has_no_part_in_it(tmp_path: Path) -> None:
    """None for every part is no reward of 0: the rest of such a group is compared among itself."""
    moved, logged = step(trainer_of(tmp_path, (1.0, 0.2), rewards=[None] * 4 + [1.0] * 12))
    assert moved == 0.0 and logged["frac_reward_zero_std"] == 1.0


def test_one_of_two_groups_is_counted_and_the_other_one_teaches(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, (1.2,), rewards=[1.0] * 8 + [1.0, 0.0] * 4)
    scored: list[dict[str, Any]] = []
    score = trainer._generate_and_score_completions
    trainer._generate_and_score_completions = lambda inputs: scored.append(score(inputs)) or scored[-1]
    moved, logged = step(trainer)
    assert logged["frac_reward_zero_std"] == 0.5 and moved > 1e-4
    # 1.2 and 0: mean 0.6, standard deviation of a sample 0.6 sqrt(8 / 7)
    expected = 0.6 / (0.6 * (8 / 7) ** 0.5 + 1e-4)
    (output,) = scored
    assert sorted(output["advantages"].tolist()) == pytest.approx([-expected] * 4 + [0.0] * 8 + [expected] * 4)
    assert output["advantages"].dtype == torch.float32 and output["advantages"].count_nonzero() == 8
