"""Which GPU a rank has where the library takes the first it sees. Worked out from the environment: no GPU has run this."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ufo_rl.commands.doctor.stability import compare_ways
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.pipeline import Pipeline
from ufo_rl.experiment.prepare import check
from ufo_rl.launch.place import Place, own_device
from ufo_rl.launch.stages import Stages
from ufo_rl.selector.columns import Columns
from ufo_rl.selector.cut import Selection
from ufo_rl.tracking.sink import Tracker


def environment(local_rank: int, num_local: int, visible: str | None = None) -> dict[str, str]:
    """As torch.distributed.run sets it on the second of two hosts."""
    place = {"LOCAL_RANK": str(local_rank), "LOCAL_WORLD_SIZE": str(num_local)}
    place |= {"RANK": str(num_local + local_rank), "WORLD_SIZE": str(2 * num_local)}
    return place | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})


@pytest.mark.parametrize(
    ("visible", "devices"),
    [(None, ["0", "1"]), ("6,7", ["6", "7"]), ("3, 1,0", ["3", "1"]), ("GPU-8f2a,GPU-11c0", ["GPU-8f2a", "GPU-11c0"])],
)
def test_each_rank_of_a_host_sees_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, devices: list[str]
) -> None:
    for local_rank, device in enumerate(devices):
        before = environment(local_rank, 2, visible)
        changes = own_device(before)
        assert changes["CUDA_VISIBLE_DEVICES"] == device
        for name, value in (before | changes).items():
            monkeypatch.setenv(name, value)
        assert Place.from_environment("cuda") == Place(2 + local_rank, 4, "cuda:0")


def test_a_rank_alone_and_a_host_whose_gpus_are_hidden_stay_as_they_are() -> None:
    assert (
        own_device(environment(0, 1)) == own_device(environment(0, 1, "5")) == own_device(environment(1, 2, "")) == {}
    )


def test_too_few_gpus_are_told() -> None:
    with pytest.raises(
        UserError, match=r"CUDA_VISIBLE_DEVICES=4,5 names 2, this host has 3 ranks; .*take 2 ranks a host"
    ):
        own_device(environment(0, 3, "4,5"))


SMALL = ["model=tiny", "dataset.num_prompts=120", "ratio=full", "tracker=off"]


class Started(Exception):
    """A stage would start its ranks now; `owns_device`: each would have one GPU."""

    def __init__(self, owns_device: bool) -> None:
        super().__init__()
        self.owns_device = owns_device


def pipeline(folder: Path, *overrides: str) -> Pipeline:
    (job,) = compose_jobs([*SMALL, f"paths.outputs={folder}/outputs", *overrides])
    prepared = check(job.plain)
    return Pipeline(load(job.plain), job.plain, folder, prepared, Tracker(), 1, lambda stage: None)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], set()),
        (["engine=vllm"], {"pass_rate", "evaluation"}),
        (["engine=vllm", "signal.pass_rate.num_samples=1", "signal.pass_rate.rollouts={old}"], {"evaluation"}),
        (["signal.confidence.engine=vllm"], {"confidence"}),
    ],
)
def test_only_stages_that_run_vllm_are_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], expected: set[str]
) -> None:
    def run(
        self: Stages, stage: str, rank: str, request: Any, key: str, owns_device: bool = False, **more: Any
    ) -> None:
        raise Started(owns_device)

    monkeypatch.setattr(Stages, "run", run)
    run_of_one = pipeline(tmp_path)
    old = tmp_path / "old.jsonl"
    old.write_text("".join(json.dumps({"id": p.id, "completion": "#### 1"}) + "\n" for p in run_of_one.pool.prompts))
    words = [word.format(old=old) for word in overrides]
    made = pipeline(tmp_path, *words)
    stages: dict[str, Callable[[], Any]] = {
        "confidence": lambda: made.signals().collect("confidence"),
        "pass_rate": lambda: made.signals().collect("pass_rate"),
        "evaluation": lambda: made.evaluations().base("arithmetic"),
        "training": lambda: made.train(
            Selection([made.pool.prompts[0].id], np.ones(1), 1, 0.0, 0), Columns({}), made.signals(), made.evaluations()
        ),
        "doctor": lambda: compare_ways([*SMALL, *words], 1),
    }
    found = set()
    for name, stage in stages.items():
        with pytest.raises(Started) as caught:
            stage()
        found |= {name} if caught.value.owns_device else set()
    assert found == expected
