"""vLLM that generates for a training, which hands it weights: opened with what TRL leaves open, and asked what it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ufo_rl.model.engine.vllm_engine import llm_class, prompt_logprobs


def colocated(dtype: str, keeps_plain_weights: bool) -> Callable[..., Any]:
    """vLLM's LLM for a training: in `dtype`, which vLLM would choose by its device, its samplings completed by no settings of
    the model's folder.

    keeps_plain_weights: on a CPU, where vLLM packs linear weights and drops the originals: a training that loads new ones
    would fail, or change nothing. UserError where vLLM cannot be imported.
    """
    llm = llm_class("rollout=vllm_colocate", "rollout=hf")
    own: dict[str, Any] = {"dtype": dtype, "generation_config": "vllm"}
    if keeps_plain_weights:
        _keep_plain_weights()
        own |= {"enable_chunked_prefill": False, "max_num_batched_tokens": None}  # see VLLMEngine

    def opened(**arguments: Any) -> Any:
        return llm(**{name: value for name, value in {**arguments, **own}.items() if value is not None})

    return opened


def _keep_plain_weights() -> None:
    from vllm.model_executor.layers import utils  # pyright: ignore[reportMissingImports]

    def plain(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain


def logprobs_of(generate: Callable[..., Any], rows: Sequence[list[int]]) -> torch.Tensor:
    """log P of all tokens but the first of each row, one row after another; generate: vLLM's."""
    return torch.tensor([one for row in prompt_logprobs(generate, rows) for one in row])


def logprobs_by(client: Any, rows: Sequence[list[int]]) -> torch.Tensor:
    """The same from a server; client: TRL's."""
    found = client.get_sequence_logprobs(list(rows), [1] * len(rows), top_logprobs=0)["actual_logprobs"]
    return torch.tensor([one for row in found for (one,) in row])
