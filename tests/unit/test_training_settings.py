"""Budgets, refreshes and dead groups: what is refused with its cure, and what a recipe or a control is."""

from __future__ import annotations

import random

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import check
from ufo_rl.reward.coin import Coin
from ufo_rl.training.construct import grpo_arguments
from ufo_rl.training.spending import ENDLESS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.budget=seconds"], "train.budget=seconds needs an amount: train.max_seconds"),
        (
            ["train.budget=generated_tokens"],
            "train.budget=generated_tokens needs an amount: train.max_generated_tokens",
        ),
        (["train.max_seconds=5", "train.max_generated_tokens=9"], "both given; say which ends the training"),
        (["train.budget=steps", "train.max_seconds=5"], "train.max_seconds=5.0 would do nothing; leave it out"),
        (
            ["train.budget=seconds", "train.max_seconds=5", "train.max_generated_tokens=7"],
            "max_generated_tokens=7 would do nothing",
        ),
        (
            ["train.max_seconds=5", "deepspeed=zero2", "+deepspeed.config.optimizer.type=AdamW"],
            "DeepSpeed's own does not",
        ),
        (
            ["train.dead_groups=drop", "train.trl.multi_objective_aggregation=normalize_then_sum"],
            "take train.dead_groups=keep",
        ),
        (["refresh=rescore", "train.max_steps=20"], "refresh.every=20 is not below the 20 steps of the training"),
        (["refresh=rescore", "refresh.memory=0.5"], "refresh.memory=0.5 does nothing with refresh=rescore"),
        (["train=gspo", "dataset.num_prompts=96"], "keeps 9 of 96 prompts, fewer than the 16 of one training step"),
        (["train.trl.save_only_model=true"], "a training could not go on from such a checkpoint"),
        (["train.budget=steps", "train.max_steps=null"], "train.budget=steps needs an amount: train.max_steps"),
        (["train.dead_groups=drop", "train.loss_type=bnpo"], "take train.loss_type=dapo"),
        (["train.dead_groups=drop", "train.trl.entropy_coef=0.1"], "the bonus is a mean over all groups"),
        (["refresh.every=5"], "refresh.every=5 does nothing with refresh=static"),
        (["refresh=rescore", "refresh.every=null"], "refresh=rescore needs the steps between two selections"),
        (["refresh=posterior", "train.order=as_ranked"], "a selection that moves has no order"),
        (["refresh=posterior", "selector=full"], "which keeps everything: take refresh=static"),
        (["refresh=rescore", "selector=random"], "and selector=random goes by nothing; take selector=ufo"),
        (["refresh=rescore", "selector=accuracy"], "and selector=accuracy goes by pass_rate; take selector=ufo"),
        (["refresh=rescore", "signal.confidence.target=response"], "not engine=own target=response"),
        (["refresh.explore=1.0", "refresh=rescore"], "refresh.explore=1.0 must be in [0, 1)"),
        (["train.order=hard_first", "selector=random"], "and selector=random measures neither"),
        (["reward=random", "reward.parts.coin.chance=1"], "reward.parts.coin.chance=1 must be in (0, 1)"),
        (["train.trl.shuffle_dataset=false"], "train.trl.shuffle_dataset=false: this is train.order"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_cure(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        check(compose_jobs(["model=tiny", *words])[0].plain)
    assert said in "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("words", "unit", "amount", "steps"),
    [
        ([], "steps", 60, 60),
        (["train.max_steps=null"], "epochs", 1, -1),
        (["train.budget=epochs", "train.num_train_epochs=3"], "epochs", 3, -1),
        (["train.max_seconds=5"], "seconds", 5, ENDLESS),
        (["train.max_generated_tokens=7"], "generated_tokens", 7, ENDLESS),
        (["train.budget=seconds", "train.max_seconds=5"], "seconds", 5, ENDLESS),
    ],
)
def test_the_budget_is_that_of_which_an_amount_is_given(
    words: list[str], unit: str, amount: float, steps: int, tmp_path: object
) -> None:
    train = load(compose_jobs(["model=tiny", *words])[0].plain).train
    assert (train.budget_unit, train.budget_amount) == (unit, amount)
    assert grpo_arguments(train, None, 0, tmp_path, True, [1.0]).max_steps == steps  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "dapo", "gspo", "paper"])
def test_every_recipe_is_one_that_trl_takes(name: str, tmp_path: object) -> None:
    train = load(compose_jobs(["model=tiny", f"train={name}", "train.bf16=false"])[0].plain).train
    assert train.name == name
    arguments = grpo_arguments(train, None, 0, tmp_path, True, [1.0])  # pyright: ignore[reportArgumentType]
    assert arguments.loss_type == {"dr_grpo": "dr_grpo", "dapo": "dapo"}.get(name, "grpo")
    if name == "gspo":  # four updates from a set of completions
        assert arguments.steps_per_generation == 4 * arguments.gradient_accumulation_steps
        assert (arguments.importance_sampling_level, arguments.epsilon, arguments.epsilon_high) == (
            "sequence",
            3e-4,
            4e-4,
        )
    if name == "dapo":
        assert arguments.epsilon_high == 0.28 and arguments.mask_truncated_completions and train.dead_groups == "drop"


def test_the_steps_of_an_epoch_are_those_of_trl() -> None:
    """20 prompts are one set of 16, split over 16 passes, four to a step."""
    train = load(compose_jobs(["model=tiny", "train=gspo", "train.bf16=false"])[0].plain).train
    assert train.prompts_per_set(1) == 16 and train.num_steps(20, 1) == 4 and train.num_steps(40, 1) == 8
    grpo = load(compose_jobs(["model=tiny", "train=grpo", "train.num_iterations=2"])[0].plain).train
    assert grpo.prompts_per_set(1) == 16 and grpo.num_steps(40, 1) == 4 and grpo.prompts_per_set(2) == 32


def test_the_coin_is_fair_and_its_draws_are_the_seeds() -> None:
    draws = []
    for seed in (0, 0, 1):
        random.seed(seed)
        draws.append(Coin(0.5)(["the same"] * 1000))
    assert draws[0] == draws[1] != draws[2]
    assert 430 < sum(draws[0]) < 570  # four and a half standard deviations
    assert 57 < sum(Coin(0.1)([""] * 1000)) < 143 and set(draws[0]) == {0.0, 1.0}
