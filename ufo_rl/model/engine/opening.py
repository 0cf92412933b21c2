"""The engine that the configuration names."""

from __future__ import annotations

from pathlib import Path

from ufo_rl.config import schema as config
from ufo_rl.model.engine import Engine


def open_engine(settings: config.EngineConfig, folder: Path, dtype: str, device: str) -> Engine:
    """The engine that the configuration names, with the model in `folder` loaded. Imports torch, or vLLM."""
    from ufo_rl.model.weights import end_ids, load_model, load_tokenizer

    tokenizer = load_tokenizer(folder)
    ends = end_ids(folder, tokenizer)
    if settings.name == "vllm":
        from ufo_rl.model.engine.vllm_engine import VLLMEngine
        from ufo_rl.model.whole import check_numbers

        check_numbers(folder, f"the model in {folder}")
        return VLLMEngine(folder, tokenizer, dtype, settings.batch_tokens, settings.memory_share, ends, settings.vllm)
    from ufo_rl.model.engine.hf import HFEngine

    return HFEngine(load_model(folder, dtype, device), tokenizer, settings.batch_tokens, ends)
