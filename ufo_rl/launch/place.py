"""Which of the N processes of a stage this one is."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ufo_rl.config.schema import Launch
from ufo_rl.errors import UserError
from ufo_rl.files.environment import hardware

GIB = 2**30


def is_on_cpu(launch: Launch) -> bool:
    """Whether the ranks of this host compute on its processors: asked to, or, left to choose, for want of a GPU."""
    return launch.device == "cpu" or (launch.device == "auto" and not hardware()["gpus"])


def own_device(environment: Mapping[str, str]) -> dict[str, str]:
    """Changes of the environment that leave this rank one GPU, its first: for libraries that take the first they see.

    `environment` is what torch.distributed.run sets; nothing changes for a rank that is alone on its host, or where
    CUDA_VISIBLE_DEVICES hides all GPUs. UserError where it names fewer GPUs than the host has ranks. Must be applied
    before the first import of torch.
    """
    local, num_local = int(environment["LOCAL_RANK"]), int(environment["LOCAL_WORLD_SIZE"])
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if num_local == 1 or visible == "":
        return {}
    # not yet run on a machine with GPUs: what is tested is this computation
    devices = [str(i) for i in range(num_local)] if visible is None else visible.split(",")
    if len(devices) < num_local:
        raise UserError(
            f"engine vllm needs a GPU for each rank: CUDA_VISIBLE_DEVICES={visible} names {len(devices)}, this host has "
            f"{num_local} ranks; take {len(devices)} ranks a host (launch.num_ranks)"
        )
    return {"CUDA_VISIBLE_DEVICES": devices[local].strip(), "LOCAL_RANK": "0"}


@dataclass(frozen=True)
class Place:
    """`rank` of `world_size` processes; `device` is a torch device name such as cuda:0 or cpu."""

    rank: int
    world_size: int
    device: str

    @classmethod
    def from_environment(cls, device: str) -> Place:
        """Read what torch.distributed.run sets; alone without it. `device` auto takes a GPU where there is one."""
        import torch

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda":
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")), device)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def peak_memory_gib(self) -> float:
        """The most memory held so far: of the GPU where this rank has one, else of the process."""
        import torch

        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.device) / GIB
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (GIB if sys.platform == "darwin" else GIB / 1024)  # bytes there, KiB on Linux
