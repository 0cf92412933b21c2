"""How a training lies on its ranks: what is sharded, in which precision, and how much is computed at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ufo_rl.config.training_schema import Rollout, Train
from ufo_rl.model.unloaded.architecture import Architecture
from ufo_rl.training.precision import weights_dtype

GIB = 2**30
ADAM = 8  # bytes: two moments in float32
FLOAT = 4
# DeepSpeed 0.19's own values, numbers of parameters, where its JSON does not say otherwise.
REDUCE_BUCKET, LIVE, SUB_GROUP = 500_000_000, 1_000_000_000, 1_000_000_000
ALL_LINEAR = "all-linear"  # PEFT's name of all linear modules but the head


def is_meant(module: str, target: str) -> bool:
    """Whether a target of adapters names the module: PEFT's rule."""
    return module == target or module.endswith(f".{target}")


@dataclass(frozen=True)
class Held:
    """Something that is held: bytes, and how they come about."""

    name: str
    bytes: float
    formula: str


@dataclass(frozen=True)
class Layout:
    """A training of a model on `num_ranks` ranks. prompt, completion: tokens of the longest. is_cuda: ranks have GPUs.

    deepspeed: DeepSpeed's JSON, None without it."""

    model: Architecture
    train: Train
    deepspeed: Mapping[str, Any] | None
    rollout: Rollout
    num_ranks: int
    prompt: int
    completion: int
    is_cuda: bool

    @property
    def zero(self) -> Mapping[str, Any]:
        return (self.deepspeed or {}).get("zero_optimization") or {}

    @property
    def stage(self) -> int:
        return int(self.zero.get("stage") or 0)

    @property
    def size(self) -> int:
        """Bytes of a weight, and of a gradient."""
        return 2 if weights_dtype(self.train, self.deepspeed) == "bfloat16" else FLOAT

    @property
    def computed(self) -> int:
        """Bytes of a number in matrix products."""
        return 2 if self.size == 2 or self.train.bf16 else FLOAT

    def is_away(self, key: str) -> bool:
        """Whether DeepSpeed's `offload_optimizer` or `offload_param` keeps it in host memory."""
        return (self.zero.get(key) or {}).get("device") in ("cpu", "nvme")

    def shards(self, stage: int) -> int:
        """Over how many ranks that is divided which ZeRO shards from this stage on."""
        return self.num_ranks if self.stage >= stage else 1

    def setting(self, key: str, default: int) -> int:
        """A size of DeepSpeed's, by its name of stages 1 and 2 or with stage3_ in front."""
        found = self.zero.get(key, self.zero.get(f"stage3_{key}", default))
        return int(found) if isinstance(found, int | float) else default

    @property
    def trained(self) -> int:
        """Parameters that have gradients: all, or those of the adapters."""
        rank = self.train.lora.rank
        if rank is None:
            return self.model.num_parameters
        targets, modules = self.train.lora.targets, self.model.modules
        if targets != [ALL_LINEAR]:
            modules = {name: widths for name, widths in modules.items() if any(is_meant(name, one) for one in targets)}
        return sum(rank * (before + behind) for before, behind in modules.values())

    @property
    def rows(self) -> int:
        """Completions of a backward pass on one rank."""
        return self.train.per_device_train_batch_size

    @property
    def generated_rows(self) -> int:
        """Completions that one rank generates together."""
        asked = self.train.trl.get("generation_batch_size")
        return math.ceil(asked / self.num_ranks) if asked else self.rows * self.train.passes_per_set(self.num_ranks)

    @property
    def width(self) -> int:
        return self.prompt + self.completion

    @property
    def has_reference(self) -> bool:
        """With adapters the reference is the model without them."""
        return self.train.beta > 0 and self.train.lora.rank is None


def number(value: float) -> str:
    """Of parameters or tokens in a formula: 7.62e9, 1536."""
    return f"{value:.3g}" if value >= 1e6 else f"{value:.0f}"
