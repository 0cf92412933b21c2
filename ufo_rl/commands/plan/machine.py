"""The machine that is planned for: its GPUs' memory and arithmetic, as given or as this one has them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ufo_rl.config.schema import Launch
from ufo_rl.files.environment import gpu_bytes
from ufo_rl.training.memory.layout import GIB

# GiB as nvidia-smi shows them; FLOP a second of dense products in bfloat16 (float16 where a GPU has no bfloat16) by
# NVIDIA's data sheets.
KINDS = {
    "h200": (140.4, 989e12, True, "an H200 of 141 GB"),
    "h100": (79.6, 989e12, True, "an H100 of 80 GB"),
    "a100-80gb": (80.0, 312e12, True, "an A100 of 80 GB"),
    "a100-40gb": (40.0, 312e12, True, "an A100 of 40 GB"),
    "l40s": (45.0, 362e12, True, "an L40S of 48 GB"),
    "a6000": (48.0, 155e12, True, "an RTX A6000 of 48 GB"),
    "rtx4090": (24.0, 165e12, True, "an RTX 4090 of 24 GB"),
    "l4": (22.5, 121e12, True, "an L4 of 24 GB"),
    "v100-32gb": (32.0, 125e12, False, "a V100 of 32 GB"),
    "t4": (15.0, 65e12, False, "a T4 of 16 GB"),
}
MARGIN = 0.1  # of a GPU, for CUDA's context, NCCL and what fragmentation wastes: our choice, not measured


@dataclass(frozen=True)
class Machine:
    """gpu: bytes of a GPU, None where nobody knows. flops: of a GPU in a second, None likewise. source: of both, in words."""

    is_cuda: bool
    gpu: float | None
    flops: float | None
    has_bfloat16: bool
    source: str

    @property
    def room(self) -> float | None:
        """Bytes of a GPU that a training may take."""
        return None if self.gpu is None else (1 - MARGIN) * self.gpu


def machine_of(launch: Launch, kind: str | None, memory: float | None) -> Machine:
    """kind: one of KINDS. memory: GiB of a GPU. Neither: this machine's GPU, or its processors where the
    ranks compute there."""
    if kind is not None or memory is not None:
        size, flops, has_bfloat16, sold = KINDS.get(kind or "", (0.0, None, True, ""))
        words = f"{size:g} GiB as nvidia-smi shows {sold}" if memory is None else f"{memory:g} GiB (--gpu-memory)"
        return Machine(True, (size if memory is None else memory) * GIB, flops, has_bfloat16, words)
    return _here(launch.device)


@functools.cache
def _here(device: str) -> Machine:
    """This machine, looked at once: a driver's program takes seconds."""
    found = None if device == "cpu" else gpu_bytes()
    if found is not None:
        return Machine(True, found, None, True, f"{found / GIB:.1f} GiB (this machine's GPU)")
    if device == "cuda":
        return Machine(True, None, None, True, "nothing is known of the GPUs; give --gpu KIND or --gpu-memory GIB")
    return Machine(False, None, None, True, "ranks on processors; --gpu KIND or --gpu-memory GIB plans for GPUs")
