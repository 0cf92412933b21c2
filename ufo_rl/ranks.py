"""Which of the N processes of a stage this one is."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
GIB = 2**30


@dataclass(frozen=True)
class Ranks:
    """`rank` of `world_size` processes; `device` is a torch device name such as cuda:0 or cpu."""

    rank: int
    world_size: int
    device: str

    @classmethod
    def from_environment(cls, device: str) -> Ranks:
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

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every world_size-th item: equal parts of a list sorted by cost."""
        return items[self.rank :: self.world_size]

    def peak_memory_gib(self) -> float:
        """The most memory held so far: of the GPU where this rank has one, else of the process."""
        import torch

        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.device) / GIB
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (GIB if sys.platform == "darwin" else GIB / 1024)  # bytes there, KiB on Linux
