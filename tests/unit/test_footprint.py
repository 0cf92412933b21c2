"""What a training takes of memory and when it saves: worked out by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.model.weights import packaged
from ufo_rl.training.checkpoint import Boundaries
from ufo_rl.training.footprint import GIB, bytes_per_rank, footprint_told, num_parameters
from ufo_rl.training.policy import checkpoint_every

LAB = packaged("package:lab/tiny")
BILLION = 10**9


def gigabytes(*overrides: str, billions: float = 7.5, ranks: int = 64) -> float:
    """Of the ZeRO paper's model of 7.5 billion weights on 64 GPUs (figure 1), unless others are given."""
    (job,) = compose_jobs(["train=paper", "train.beta=0", *overrides])
    config = load({**job.plain, "launch": {**job.plain["launch"], "num_ranks": 7}})
    return bytes_per_rank(round(billions * BILLION), config.train, config.deepspeed.config, ranks) / BILLION


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["deepspeed=zero1"], 31.4),  # the paper's numbers: 120, 31.4, 16.6 and 1.9 GB
        (["deepspeed=zero2"], 16.6),
        (["deepspeed=zero3"], 1.9),
        (["deepspeed=zero1", "deepspeed.config.zero_optimization.stage=0"], 120),
        (["deepspeed=off"], 120),  # 4 + 4 + 8 in float32
        (["deepspeed=zero2", "train.bf16=false"], 7.5 * (4 + 12 / 64)),
        (["deepspeed=zero2", "train.beta=0.04"], 16.6 + 15),  # one more copy in bfloat16
        (["deepspeed=zero3_offload"], 7.5 * 2 / 64),  # gradients alone
    ],
)
def test_the_numbers_of_the_zero_paper(overrides: list[str], expected: float) -> None:
    assert gigabytes(*overrides) == pytest.approx(expected, abs=0.05)


def test_the_published_recipe_does_not_fit_one_gpu_of_80_gib_and_is_told_so() -> None:
    needed = gigabytes("deepspeed=zero2", "train.beta=0.04", billions=7.616, ranks=1) * BILLION  # Qwen2.5-7B
    assert needed == pytest.approx(18 * 7.616e9)
    told = footprint_told(needed, 80 * GIB)
    assert told.startswith("warning: ") and "127.7 GiB on each rank, more than the 80 GiB" in told and "zero3" in told
    fits = footprint_told(gigabytes("deepspeed=zero2", "train.beta=0.04", billions=7.616, ranks=8) * BILLION, 80 * GIB)
    assert not fits.startswith("warning") and "40.8 GiB on each rank, of 80 GiB" in fits
    assert "GPU" not in footprint_told(needed, None)


def test_parameters_are_counted_from_the_headers_of_what_is_loaded(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    expected = sum(tensor.size for tensor in load_file(LAB / "model.safetensors").values())
    assert num_parameters(LAB) == expected
    shutil.copy(LAB / "model.safetensors", tmp_path / "part-1.safetensors")
    shutil.copy(LAB / "model.safetensors", tmp_path / "consolidated.safetensors")  # another format beside it
    index = {"weight_map": {"a": "part-1.safetensors", "b": "part-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert num_parameters(tmp_path) == expected


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
