"""In which precision a training holds its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ufo_rl.config.schema import Train


def is_mixed(train: Train, deepspeed: Mapping[str, Any] | None) -> bool:
    """Whether DeepSpeed trains weights of 16 bits, with a copy in float32 in its optimizer."""
    asked = ((deepspeed or {}).get("bf16") or {}).get("enabled", "auto")
    return deepspeed is not None and (train.bf16 if asked == "auto" else bool(asked))


def weights_dtype(train: Train, deepspeed: Mapping[str, Any] | None) -> str:
    """The dtype in which weights are loaded: what they are trained in. Without DeepSpeed bfloat16 is torch's autocast over
    weights in float32, but for those that adapters leave as they are."""
    is_frozen = train.lora.rank is not None and train.bf16
    return "bfloat16" if is_mixed(train, deepspeed) or is_frozen else "float32"
