"""vLLM that generates for a training, which hands it weights: opened with what TRL leaves open, and asked what it computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ufo_rl.errors import UserError

# In this process, so that a training reaches the weights; no word to anybody.
ENVIRONMENT = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def colocated(dtype: str, keeps_plain_weights: bool) -> Callable[..., Any]:
    """vLLM's LLM for a training: in `dtype`, which vLLM would choose by its device, its samplings completed by no settings of
    the model's folder.

    keeps_plain_weights: on a CPU, where vLLM packs linear weights and drops the originals: a training that loads new ones
    would fail, or change nothing. UserError where vLLM cannot be imported.
    """
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    try:
        from vllm import LLM  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            f"rollout=vllm_colocate: vLLM cannot be imported ({error}); pip install 'ufo-rl[vllm]', or take rollout=hf"
        ) from error
    own: dict[str, Any] = {"dtype": dtype, "generation_config": "vllm"}
    if keeps_plain_weights:
        _keep_plain_weights()
        own |= {"enable_chunked_prefill": False, "max_num_batched_tokens": None}  # see VLLMEngine

    def opened(**arguments: Any) -> Any:
        return LLM(**{name: value for name, value in {**arguments, **own}.items() if value is not None})

    return opened


def _keep_plain_weights() -> None:
    from vllm.model_executor.layers import utils  # pyright: ignore[reportMissingImports]

    def plain(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain


def logprobs_of(generate: Callable[..., Any], rows: Sequence[list[int]]) -> torch.Tensor:
    """log P of all tokens but the first of each row, one row after another; generate: vLLM's."""
    from vllm import SamplingParams  # pyright: ignore[reportMissingImports]

    once = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
    outputs = generate([{"prompt_token_ids": ids} for ids in rows], sampling_params=once, use_tqdm=False)
    return torch.tensor(
        [
            one.prompt_logprobs[place][ids[place]].logprob
            for ids, one in zip(rows, outputs, strict=True)
            for place in range(1, len(ids))
        ]
    )


def logprobs_by(client: Any, rows: Sequence[list[int]]) -> torch.Tensor:
    """The same from a server; client: TRL's."""
    found = client.get_sequence_logprobs(list(rows), [1] * len(rows), top_logprobs=0)["actual_logprobs"]
    return torch.tensor([one for row in found for (one,) in row])
