"""How much memory the weights, gradients and optimizer states of a training take on each rank: told before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ufo_rl.config.schema import Train
from ufo_rl.model.folder import weight_files
from ufo_rl.training.precision import is_mixed

GIB = 2**30
ADAM = 8  # bytes: two moments in float32


def num_parameters(folder: Path) -> int:
    """Of the weights that are loaded, from the headers of their files; the folder was checked."""
    total = 0
    for path in weight_files(folder):
        with safe_open(path, framework="numpy") as file:
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in list(file.keys()))
    return total


def bytes_per_rank(parameters: int, train: Train, deepspeed: Mapping[str, Any] | None, num_ranks: int) -> float:
    """Bytes on the device of each rank for the states of AdamW training, without activations, generation and buffers.

    ZeRO (arXiv 1910.02054, section 3.1 and figure 1): with mixed precision 2 + 2 + 12 bytes a parameter (weights and
    gradients in 16 bits; weights and two moments in float32), of which stage 1 shards the 12 over the ranks, stage 2 the
    gradients too, stage 3 all. In float32 they are 4 + 4 + 8. Without DeepSpeed weights are float32 and nothing is
    sharded. A reference model (train.beta above 0) is one more copy of the weights.
    """
    zero = (deepspeed or {}).get("zero_optimization") or {}
    stage = int(zero.get("stage") or 0)
    weights, gradients, states = (2, 2, 4 + ADAM) if is_mixed(train, deepspeed) else (4, 4, ADAM)
    reference = weights if train.beta > 0 else 0
    held = [
        (weights, 3, _is_offloaded(zero, "offload_param")),
        (reference, 3, _is_offloaded(zero, "offload_param")),
        (gradients, 2, False),
        (states, 1, _is_offloaded(zero, "offload_optimizer")),
    ]
    per_parameter = sum(
        size / (num_ranks if stage >= sharded_from else 1) for size, sharded_from, is_away in held if not is_away
    )
    return parameters * per_parameter


def _is_offloaded(zero: Mapping[str, Any], key: str) -> bool:
    return (zero.get(key) or {}).get("device") in ("cpu", "nvme")


def footprint_told(needed: float, available: int | None) -> str:
    """One line; it begins with a warning where the states alone do not fit."""
    told = f"weights, gradients and optimizer of the training take about {needed / GIB:.1f} GiB on each rank"
    if available is None:
        return told
    if needed <= available:
        return f"{told}, of {available / GIB:.0f} GiB of its GPU; activations and generation come on top"
    return (
        f"warning: {told}, more than the {available / GIB:.0f} GiB of its GPU: it will run out of memory; take "
        "deepspeed=zero3 and more GPUs (launch.num_ranks), deepspeed=zero3_offload, or a smaller model"
    )
