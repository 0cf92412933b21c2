"""train.dead_groups=drop: the gradient of the live groups alone, however they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.test_dead_groups import trainer_of

LIVE, DEAD = [1.0, 0.0] * 4, [1.0] * 8


def gradient(trainer: Any, rows: slice | None = None) -> torch.Tensor:
    """Of one set of completions, over all its backward passes. rows: those of the set that stay in, as if there were no
    others."""
    torch.manual_seed(0)
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    trainer.model.train()
    made = trainer._generate_and_score_completions([{"id": "0"}] * trainer.args.generation_batch_size)
    if rows is not None:
        made = {name: one[rows] if one.dim() else one for name, one in made.items()}
        made["num_items_in_batch"] = made["completion_mask"].sum()
    num_parts = trainer.args.steps_per_generation
    size = len(made["advantages"]) // num_parts
    trainer.model.zero_grad()
    for part in range(num_parts):
        own = {name: one[part * size : (part + 1) * size] if one.dim() else one for name, one in made.items()}
        trainer._compute_loss(trainer.model, own).backward()
    return torch.cat([one.grad.flatten().clone() for one in trainer.model.parameters()])


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("shape", ["one pass", "two passes", "two steps"])
def test_the_gradient_is_that_without_the_dead_groups(tmp_path: Path, loss: str, beta: float, shape: str) -> None:
    """One group of two is dead; in two passes it fills the second one alone, and in two steps the second step: what the first
    one has is doubled, as it is divided by half of the set."""
    words = [f"train.loss_type={loss}", f"train.beta={beta}"]
    split = {
        "one pass": [],
        "two passes": ["train.per_device_train_batch_size=8", "train.gradient_accumulation_steps=2"],
        "two steps": [
            "train.per_device_train_batch_size=4",
            "train.gradient_accumulation_steps=2",
            "train.trl.steps_per_generation=4",
        ],
    }[shape]
    times = 2 if shape == "two steps" else 1
    own = trainer_of(tmp_path / "a", (1.0,), *words, *split, rewards=LIVE + DEAD)
    own.drops_dead = True
    dropped = gradient(own)
    expected = gradient(trainer_of(tmp_path / "b", (1.0,), *words, rewards=LIVE + DEAD), slice(0, 8))
    expected = times * expected
    assert expected.norm() > 1e-3
    assert (dropped - expected).norm() <= 1e-5 * expected.norm()
    kept = gradient(trainer_of(tmp_path / "c", (1.0,), *words, *split, rewards=LIVE + DEAD))
    assert (kept - expected).norm() > 0.1 * expected.norm()


def test_a_set_of_dead_groups_alone_has_no_gradient(tmp_path: Path) -> None:
    own = trainer_of(tmp_path, (1.0,), "train.beta=0.1", rewards=DEAD + DEAD)
    own.drops_dead = True
    assert gradient(own).norm() == 0.0
