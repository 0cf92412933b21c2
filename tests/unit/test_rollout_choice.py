"""What rollout=auto becomes, on a machine with GPUs and without, with vLLM and without, here and as a job of SLURM."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from ufo_rl.config import compose


@pytest.mark.parametrize(
    ("overrides", "has_gpu", "has_vllm", "expected"),
    [
        ([], True, True, "vllm_colocate"),
        ([], True, False, "hf"),
        ([], False, True, "hf"),
        (["launch.device=cuda"], False, True, "vllm_colocate"),  # and is refused where there is none
        (["launch.device=cpu"], True, True, "hf"),
        (["launch=slurm"], False, True, "vllm_colocate"),  # a login node without GPU says nothing of the job's
        (["launch=slurm", "launch.slurm.gpus_per_node=0"], True, True, "hf"),
        (["launch=slurm", "launch.device=cpu"], True, True, "hf"),
        (["rollout=hf"], True, True, "hf"),
        (["model=tiny-rules", "dataset=rules"], True, True, "hf"),  # the lab's own
    ],
)
def test_the_choice_follows_the_devices_of_the_ranks(
    overrides: list[str], has_gpu: bool, has_vllm: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: Any = importlib.util.find_spec
    monkeypatch.setattr(compose, "why_no_gpu", lambda: "" if has_gpu else "none")
    monkeypatch.setattr(
        compose.importlib.util, "find_spec", lambda name: (has_vllm or None) if name == "vllm" else found(name)
    )
    words = (
        overrides
        if any(word.startswith("model=") for word in overrides)
        else ["model=qwen2.5-7b", "dataset=gsm8k", *overrides]
    )
    (job,) = compose.compose_jobs(words)
    assert job.plain["rollout"]["name"] == expected
