"""Generation and teacher-forced log-probabilities by vLLM (an extra; real on GPUs, and on CPUs by `make vllm-env`)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedTokenizerBase

from ufo_rl.errors import UserError
from ufo_rl.model.engine import Sampling, completion, stop_tokens
from ufo_rl.records import Completion

REQUESTS = 1024  # handed over at a time: more than vLLM runs beside each other


class VLLMEngine:
    """One vLLM instance in this process, on this rank's device; it shares prefixes and batches continuously itself."""

    def __init__(
        self,
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        dtype: str,
        batch_tokens: int,
        memory_share: float,
        eos_ids: Sequence[int],
        arguments: Mapping[str, Any],
    ) -> None:
        """`batch_tokens` bounds what is computed in one step, `memory_share` the memory of the device that is taken;
        `arguments` are more of vLLM's own."""
        llm = llm_class("engine=vllm", "engine=hf")
        self.folder, self.tokenizer, self.eos_ids = folder, tokenizer, list(eos_ids)
        limits: dict[str, Any] = {"max_num_batched_tokens": batch_tokens}
        if not torch.cuda.is_available():
            # a prompt that is prefilled in parts makes vLLM wind back its seed's generator, which CPUs cannot
            longest = AutoConfig.from_pretrained(folder).max_position_embeddings
            limits = {"max_num_batched_tokens": max(batch_tokens, longest), "enable_chunked_prefill": False}
        own = {
            "model": str(folder),
            "dtype": dtype,
            "gpu_memory_utilization": memory_share,
            "generation_config": "vllm",  # its own neutral settings, not the model's
            "trust_remote_code": False,
            "seed": 0,
        }
        self.llm: Any = llm(**{**limits, **own, **arguments})

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        """See `Engine.generate`. The samples are vLLM's own draws from each seed: of the same distribution as those of
        the other engine, not the same."""
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports]
        from vllm.sampling_params import RequestOutputKind  # pyright: ignore[reportMissingImports]

        prompts = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        engine = self.llm.llm_engine  # its steps show what is finished; `LLM.generate` returns when all is
        ends = [*self.eos_ids, *stop_tokens(self.tokenizer, sampling.stop)]
        waiting = deque(range(len(prompts)))
        running: set[str] = set()
        try:
            while waiting or running:
                while waiting and len(running) < REQUESTS:
                    i = waiting.popleft()
                    params = SamplingParams(
                        temperature=sampling.temperature,
                        max_tokens=sampling.max_tokens,
                        seed=seeds[i],
                        stop_token_ids=ends,
                        stop=list(sampling.stop) or None,
                        detokenize=bool(sampling.stop),
                        output_kind=RequestOutputKind.FINAL_ONLY,
                    )
                    engine.add_request(str(i), {"prompt_token_ids": prompts[i]}, params)
                    running.add(str(i))
                if finished := engine.step():
                    running.difference_update(output.request_id for output in finished)
                    yield [
                        (int(output.request_id), self._completion(output, ends, sampling.stop)) for output in finished
                    ]
        finally:  # whoever stops asking leaves nothing running
            if running:
                engine.abort_request(list(running))

    def _completion(self, output: Any, ends: Sequence[int], stop: Sequence[str]) -> Completion:
        return completion(self.tokenizer, list(output.outputs[0].token_ids), ends, stop)

    def logprobs(self, rows: Sequence[tuple[list[int], int]]) -> list[list[float]]:
        """log P of the last `num_target` tokens of each row of token ids, in one pass."""
        said = prompt_logprobs(self.llm.generate, [ids for ids, _ in rows])
        return [own[len(own) - num_target :] for own, (_, num_target) in zip(said, rows, strict=True)]


def llm_class(asked: str, instead: str) -> Any:
    """vLLM's LLM, in this process, so that who opens it reaches the weights; no word to anybody. UserError where it cannot be
    imported: asked: the setting that wants it, instead: one that does not."""
    os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    try:
        from vllm import LLM  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            f"{asked}: vLLM cannot be imported ({error}); pip install 'ufo-rl[vllm]', or take {instead}"
        ) from error
    return LLM


def prompt_logprobs(generate: Callable[..., Any], rows: Sequence[list[int]]) -> list[list[float]]:
    """log P of all tokens but the first of each row of token ids, in one pass; generate: vLLM's."""
    from vllm import SamplingParams  # pyright: ignore[reportMissingImports]

    once = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
    outputs = generate([{"prompt_token_ids": ids} for ids in rows], sampling_params=once, use_tqdm=False)
    return [
        [one.prompt_logprobs[place][ids[place]].logprob for place in range(1, len(ids))]
        for ids, one in zip(rows, outputs, strict=True)
    ]
