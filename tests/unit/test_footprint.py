"""What a training takes of memory and when it saves: worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.model.unloaded.architecture import Architecture
from ufo_rl.training.checkpoint import Boundaries
from ufo_rl.training.memory.estimate import Estimate, total
from ufo_rl.training.memory.layout import GIB, Held, Layout
from ufo_rl.training.memory.sharded import gradients, states
from ufo_rl.training.memory.told import memory_told
from ufo_rl.training.policy import checkpoint_every

BILLION = 10**9


def gigabytes(*overrides: str, billions: float = 7.5, ranks: int = 64) -> float:
    """Weights, gradients, optimizer and reference of the ZeRO paper's model of 7.5 billion weights on 64 GPUs (figure 1),
    unless others are given."""
    (job,) = compose_jobs(["train=paper", "train.beta=0", *overrides])
    config = load({**job.plain, "launch": {**job.plain["launch"], "num_ranks": 7}})
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "vocab_size": 8}
    model = Architecture.of({"model_type": "llama", **size}, "by hand", round(billions * BILLION))
    layout = Layout(model, config.train, config.deepspeed.config, config.rollout, ranks, 8, 8, is_cuda=True)
    held = [*states(layout), *(part for part in gradients(layout) if part.name == "gradients")]
    return total(held) / BILLION


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["deepspeed=zero1"], 31.4),  # the paper's numbers: 120, 31.4, 16.6 and 1.9 GB
        (["deepspeed=zero2"], 16.6),
        (["deepspeed=zero3"], 1.9),
        (["deepspeed=zero1", "deepspeed.config.zero_optimization.stage=0"], 120),
        (["deepspeed=off"], 120),  # 4 + 4 + 8 in float32
        (["deepspeed=zero2", "train.bf16=false"], 7.5 * (4 + (4 + 12) / 64)),  # DeepSpeed copies float32 weights too
        (["deepspeed=zero2", "train.beta=0.04"], 16.6 + 15),  # one more copy in bfloat16
        (["deepspeed=zero3_offload"], 0),  # all of it in host memory
    ],
)
def test_the_numbers_of_the_zero_paper(overrides: list[str], expected: float) -> None:
    assert gigabytes(*overrides) == pytest.approx(expected, abs=0.05)


def test_what_does_not_fit_is_told_before_anything_is_scored() -> None:
    found = Estimate([Held("weights", 60 * GIB, "")], {"update": [Held("update", 30 * GIB, "")], "generation": []}, [])
    assert memory_told(found, 80 * GIB).startswith(
        "warning: the training takes about 90.0 GiB on each rank (most in update), more"
    )
    assert memory_told(found, 96 * GIB).endswith("(most in update), of 96 GiB of its GPU")
    assert "GPU" not in memory_told(found, None)


def test_the_10_percent_arm_of_the_paper_is_saved_on_its_way() -> None:
    (job,) = compose_jobs(["experiment=paper", "train.save_steps=50"])
    train = load(job.plain).train
    assert train.num_steps(747, 8) == 46 and train.save_steps == 50
    state = SimpleNamespace(save_steps=50, max_steps=46)
    Boundaries(cast(Any, None)).on_train_begin(None, state, None)
    assert [step for step in range(1, 46) if step % state.save_steps == 0] == [16, 32]


@pytest.mark.parametrize(
    ("save_steps", "steps", "every"), [(50, 60, 50), (50, 51, 50), (50, 50, 17), (50, 2, 1), (1, 1, 1), (2, 6, 2)]
)
def test_save_steps_below_the_steps_are_kept(save_steps: int, steps: int, every: int) -> None:
    assert checkpoint_every(save_steps, steps) == every
