"""Generation by transformers' `generate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ufo_rl.engine import Sampling
from ufo_rl.keys import digest
from ufo_rl.model import keep_end_tokens_only
from ufo_rl.records import Completion


class HFEngine:
    """Batches of similar length, left padded. `batch_tokens` bounds a batch: sequences times (prompt + longest
    completion) tokens, which is what the key-value cache holds."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_tokens: int) -> None:
        self.model, self.tokenizer, self.batch_tokens = model, tokenizer, batch_tokens
        own = model.generation_config.eos_token_id if model.generation_config is not None else None
        ends = own if isinstance(own, list) else [own]
        self.eos_ids = sorted({i for i in [*ends, tokenizer.eos_token_id] if i is not None})
        keep_end_tokens_only(model)

    def generate(self, texts: Sequence[str], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index into `texts`, its completions) as batches finish: longest prompts first, so that memory
        runs out at the start or not at all. The samples are seeded per batch by (seed, texts of the batch)."""
        tokens = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        order = sorted(range(len(texts)), key=lambda i: (-len(tokens[i]), i))
        start = 0
        while start < len(order):
            sequence = len(tokens[order[start]]) + sampling.max_tokens
            batch = order[start : start + max(1, self.batch_tokens // (sequence * sampling.num_samples))]
            start += len(batch)
            torch.manual_seed(int(digest([sampling.seed, [texts[i] for i in batch]], 15), 16))
            yield from zip(batch, self._batch([tokens[i] for i in batch], sampling), strict=True)

    @torch.inference_mode()
    def _batch(self, rows: list[list[int]], sampling: Sampling) -> list[list[Completion]]:
        padded = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.model.device)
        width = padded["input_ids"].shape[1]
        is_greedy = sampling.temperature == 0
        config = GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            do_sample=not is_greedy,
            num_return_sequences=sampling.num_samples,
            temperature=1.0 if is_greedy else sampling.temperature,
            top_k=0 if not is_greedy else 50,
            top_p=1.0,
            min_p=None,
            typical_p=1.0,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            num_beams=1,
            eos_token_id=self.eos_ids,
            pad_token_id=self.tokenizer.pad_token_id,
            disable_compile=True,
        )
        output = self.model.generate(  # pyright: ignore[reportCallIssue]
            input_ids=padded["input_ids"], attention_mask=padded["attention_mask"], generation_config=config
        )
        flat = [self._completion(row) for row in output[:, width:].tolist()]
        return [flat[i : i + sampling.num_samples] for i in range(0, len(flat), sampling.num_samples)]

    def _completion(self, ids: list[int]) -> Completion:
        """Text up to the end token; `num_tokens` counts the end token."""
        end = next((i for i, token in enumerate(ids) if token in self.eos_ids), None)
        kept = ids if end is None else ids[:end]
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return Completion(str(text), len(kept) + (end is not None), "length" if end is None else "stop")
