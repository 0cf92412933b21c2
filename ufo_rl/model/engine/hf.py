"""Generation by transformers' `generate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

from ufo_rl.model.engine import Sampling, completion, stop_tokens
from ufo_rl.model.weights import keep_end_tokens_only, pad_id
from ufo_rl.records import Completion


class HFEngine:
    """Batches of similar length, left padded. `batch_tokens` bounds a batch: sequences times (prompt + longest
    completion) tokens, which is what the key-value cache holds."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_tokens: int, eos_ids: Sequence[int]
    ) -> None:
        self.model, self.tokenizer, self.batch_tokens, self.eos_ids = model, tokenizer, batch_tokens, list(eos_ids)
        keep_end_tokens_only(model)

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        """See `Engine.generate`. Longest prompts first, so that memory runs out at the start or not at all."""
        tokens = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        order = sorted(range(len(texts)), key=lambda i: (-len(tokens[i]), i))
        start = 0
        while start < len(order):
            sequence = len(tokens[order[start]]) + sampling.max_tokens
            batch = order[start : start + max(1, self.batch_tokens // sequence)]
            start += len(batch)
            made = self._batch([tokens[i] for i in batch], sampling, [seeds[i] for i in batch])
            yield list(zip(batch, made, strict=True))

    @torch.inference_mode()
    def _batch(self, rows: list[list[int]], sampling: Sampling, seeds: Sequence[int]) -> list[Completion]:
        padded = self.tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors="pt")
        padded = padded.to(self.model.device)
        width = padded["input_ids"].shape[1]
        # the draw is ours, one uniform number a row and step; generate only takes the largest of what it leaves
        drawn = [InverseTransform(seeds, sampling, width)] if sampling.temperature > 0 else []
        ends = [*self.eos_ids, *stop_tokens(self.tokenizer, sampling.stop)]
        stops = [StopTexts(self.tokenizer, sampling.stop, width)] if sampling.stop else []
        config = GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=self.tokenizer.pad_token_id,
            disable_compile=True,
        )
        output = self.model.generate(  # pyright: ignore[reportCallIssue]
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            generation_config=config,
            logits_processor=LogitsProcessorList(drawn),
            stopping_criteria=StoppingCriteriaList(stops),
        )
        pad = pad_id(self.tokenizer) if sampling.stop else None
        return [completion(self.tokenizer, row, ends, sampling.stop, pad) for row in output[:, width:].tolist()]


class StopTexts(StoppingCriteria):
    """Ends each row whose completion holds one of the texts. It reads the last tokens alone, as many as the longest text has
    bytes: no text is longer in tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str], width: int) -> None:
        self.tokenizer, self.stop, self.width = tokenizer, stop, width
        self.num_tokens = 1 + max(len(text.encode()) for text in stop)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: object) -> torch.BoolTensor:
        begin = max(self.width, input_ids.shape[1] - self.num_tokens)
        texts = self.tokenizer.batch_decode(input_ids[:, begin:], skip_special_tokens=True)
        found = [any(one in text for one in self.stop) for text in texts]
        return torch.tensor(found, device=input_ids.device)  # pyright: ignore[reportReturnType]


class InverseTransform(LogitsProcessor):
    """Draws each row's next token by its own uniform numbers: the first token whose cumulative probability exceeds it.

    The distribution is softmax(logits / temperature), all of it; the draw of a row depends on no other row.
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling, width: int) -> None:
        uniforms = [np.random.default_rng(seed).random(sampling.max_tokens) for seed in seeds]
        self.uniforms_BT = torch.from_numpy(np.stack(uniforms))
        self.temperature, self.width = sampling.temperature, width

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        uniform_B1 = self.uniforms_BT[:, input_ids.shape[1] - self.width, None].to(scores.device)
        cumulative_BV = torch.softmax(scores.double() / self.temperature, -1).cumsum(-1)
        token_B1 = torch.searchsorted(cumulative_BV, uniform_B1 * cumulative_BV[:, -1:], right=True)
        token_B1 = token_B1.clamp(max=scores.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, token_B1, 0.0)  # pyright: ignore[reportReturnType]
