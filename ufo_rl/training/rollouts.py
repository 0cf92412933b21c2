"""What generates the completions of training: TRL's fields for it, and the engine that TRL opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ufo_rl.config.schema import Rollout, Train
from ufo_rl.model.engine.vllm_trained import colocated

MODES = {"vllm_colocate": "colocate", "vllm_server": "server"}


def rollout_fields(rollout: Rollout, train: Train) -> dict[str, Any]:
    """Fields of TRL's GRPOConfig."""
    if not rollout.is_vllm:
        return {}
    longest = None if train.max_prompt_tokens is None else train.max_prompt_tokens + train.max_completion_tokens
    corrects = rollout.correction != "none"
    return {
        "use_vllm": True,
        "vllm_mode": MODES[rollout.name],
        "vllm_server_base_url": rollout.server,
        "vllm_gpu_memory_utilization": rollout.memory_share,
        "vllm_tensor_parallel_size": rollout.tensor_parallel,
        "vllm_enable_sleep_mode": rollout.sleep,
        "vllm_max_model_length": longest,
        "vllm_importance_sampling_correction": corrects,
        **({"vllm_importance_sampling_mode": rollout.correction} if corrects else {}),
        "vllm_importance_sampling_clip_max": rollout.correction_cap,
    }


def trained_in(arguments: Any) -> str:
    """The dtype of a training's products."""
    return "bfloat16" if arguments.bf16 else "float16" if arguments.fp16 else "float32"


def engine_dtype(rollout: Rollout, arguments: Any) -> str:
    """Of vLLM's copy of the model."""
    return rollout.dtype or trained_in(arguments)


@contextmanager
def engine_stated(rollout: Rollout, arguments: Any) -> Iterator[None]:
    """TRL's trainer is made within: it opens vLLM, and names neither the dtype nor whose settings complete a sampling."""
    if rollout.name != "vllm_colocate":
        yield
        return
    opened = colocated(engine_dtype(rollout, arguments), rollout.cpu_for_tests)
    from trl.generation import vllm_generation

    module: Any = vllm_generation
    before, module.LLM = module.LLM, opened
    try:
        yield
    finally:
        module.LLM = before
