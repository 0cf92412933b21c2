"""How a step is split over passes, ranks and shards changes no number: on fixed completions, in float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.fixed_rollouts import run

pytestmark = pytest.mark.soak
IDS = [str(i) for i in range(20)]
STEPS = 10
SHARED = ("train.num_generations=4", f"train.max_steps={STEPS}", "train.save_steps=null", "train.learning_rate=1e-4")
PASSES = {"8 x 1": (8, 1), "1 x 8": (1, 8)}


def words(loss: str, per_device: int, accumulation: int) -> list[str]:
    return [
        *SHARED,
        f"train.loss_type={loss}",
        f"train.per_device_train_batch_size={per_device}",
        f"train.gradient_accumulation_steps={accumulation}",
    ]


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo"])
def test_passes_ranks_and_shards(tmp_path: Path, loss: str) -> None:
    ways = {
        "1 x 8": ("off", 1, words(loss, 1, 8)),
        "two ranks": ("off", 2, words(loss, 4, 1)),
        "two ranks, 1 x 4": ("off", 2, words(loss, 1, 4)),
        **{zero: (zero, 2, words(loss, 4, 1)) for zero in ("zero1", "zero2", "zero3")},
    }
    one = run(tmp_path / "one", IDS, [], "off", 1, *words(loss, 8, 1))
    assert len(one["rewards"]) == STEPS and len({tuple(rewards) for rewards in one["rewards"]}) == STEPS
    assert min(one["grad_norm"]) > 1e-3 and (one["probes"][-1] - one["probes"][0]).abs().max() > 1e-3
    for name, (zero, num_ranks, own) in ways.items():
        other = run(tmp_path / name, IDS, [], zero, num_ranks, *own)
        assert other["rewards"] == one["rewards"], name
        for step, limit in ((0, 1e-5), (STEPS - 1, 1e-3)):
            assert other["grad_norm"][step] == pytest.approx(one["grad_norm"][step], rel=limit), (name, step)
            difference = (other["probes"][step] - one["probes"][step]).abs().max()
            assert difference <= limit * one["probes"][step].abs().max(), (name, step)


# the change of a step of plain gradient descent is the gradient
GRADIENT = (
    "train.num_generations=4",
    "train.max_steps=1",
    "train.save_steps=null",
    "train.learning_rate=1.0",
    "train.lr_scheduler_type=constant",
    "train.warmup_ratio=0.0",
    "train.max_grad_norm=1e6",
    "train.trl.optim=sgd",
    "train.order=as_ranked",
    "train.dead_groups=drop",
)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize("zero", ["off", "zero2", "zero3"])
def test_a_rank_whose_groups_are_all_dead(tmp_path: Path, loss: str, zero: str) -> None:
    """Two groups a rank, those of the second one dead: the gradient of the first two alone. And one of the first dead too."""
    loss_type = f"train.loss_type={loss}"
    alone = run(
        tmp_path / "alone", ["0", "1"], [], "off", 1, *GRADIENT, loss_type, "train.per_device_train_batch_size=8",
        "train.gradient_accumulation_steps=1",
    )  # fmt: skip
    split = ["train.per_device_train_batch_size=4", "train.gradient_accumulation_steps=2"]
    both = run(tmp_path / "both", ["0", "1", "2", "3"], ["2", "3"], zero, 2, *GRADIENT, loss_type, *split)
    assert alone["change"].norm() > 1e-3
    assert (both["change"] - alone["change"]).norm() <= 1e-5 * alone["change"].norm()
    single = run(
        tmp_path / "single", ["0"], [], "off", 1, *GRADIENT, loss_type, "train.per_device_train_batch_size=4",
        "train.gradient_accumulation_steps=1",
    )  # fmt: skip
    three = run(tmp_path / "three", ["0", "1", "2", "3"], ["1", "2", "3"], zero, 2, *GRADIENT, loss_type, *split)
    assert (three["change"] - single["change"]).norm() <= 1e-5 * single["change"].norm()
    kept = [one for one in GRADIENT if "dead_groups" not in one]
    diluted = run(tmp_path / "kept", ["0", "1", "2", "3"], ["2", "3"], zero, 2, *kept, loss_type, *split)
    assert diluted["change"].norm() < 0.9 * alone["change"].norm()
    assert torch.isfinite(diluted["change"]).all()
