"""Which engine arguments of vLLM our keys fill, and what `engine.vllm` may hold besides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ufo_rl.config.dataclass_source import Source, package_folder
from ufo_rl.config.foreign import problems_of
from ufo_rl.config.schema import EngineConfig

log = logging.getLogger(__name__)
NODE = "engine.vllm"
OWNED = {
    "model": "model.path",
    "tokenizer": "the model's own (model.path)",
    "revision": "model.revision",
    "dtype": "model.dtype",
    "seed": "set by the program: every sample has a seed of its own",
    "max_num_batched_tokens": "engine.batch_tokens",
    "gpu_memory_utilization": "engine.memory_share",
    "generation_config": "set by the program: temperature and length of a completion stand in signal/ and eval/",
    "trust_remote_code": "never done: code that comes with a model is not run",
}
SOURCE = Source("vllm", "engine/arg_utils.py", "EngineArgs")


def vllm_problems(engine: EngineConfig, is_run: bool) -> list[str]:
    """What is wrong with `engine.vllm`; `is_run` where something runs vLLM, which is not imported. Where it is not installed,
    names and types pass."""
    given = engine.vllm
    if not given:
        return []
    if not is_run:
        return [f"{NODE}.{name}: nothing here runs vLLM; choose engine=vllm" for name in given]
    unchecked = tuple(name for name in given if name not in OWNED)
    if unchecked and package_folder(SOURCE.package) is None:
        _tell_unchecked(unchecked)
    return problems_of(NODE, given, OWNED, SOURCE.fields(), "vLLM's EngineArgs")


@lru_cache
def _tell_unchecked(names: tuple[str, ...]) -> None:
    """Once, not for every job of a sweep."""
    log.warning("%s: vLLM is not installed here, so the names %s are not checked", NODE, ", ".join(names))


def decides(name: str, vllm: Mapping[str, Any]) -> str | list[Any]:
    """What of the engine `name` can change its numbers, for the keys of what is stored: any of vLLM's arguments may."""
    return [name, dict(vllm)] if name == "vllm" and vllm else name
