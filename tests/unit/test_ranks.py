"""Which GPU a rank has where the library takes the first it sees. Worked out from the environment: no GPU has run this."""

from __future__ import annotations

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.launch.place import Place, own_device
from ufo_rl.launch.worker import uses_vllm


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


@pytest.mark.parametrize(
    ("overrides", "stages"),
    [
        ([], set()),
        (["engine=vllm"], {"pass_rate", "completions"}),
        (["engine=vllm", "signal.pass_rate.rollouts=old.parquet"], {"completions"}),
        (["signal.confidence.engine=vllm"], {"confidence"}),
    ],
)
def test_only_stages_that_run_vllm_are_touched(overrides: list[str], stages: set[str]) -> None:
    (job,) = compose_jobs(overrides)
    kinds = ("confidence", "pass_rate", "completions", "training", "doctor")
    assert {kind for kind in kinds if uses_vllm(kind, load(job.plain))} == stages
