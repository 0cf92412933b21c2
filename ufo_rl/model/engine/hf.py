"""Generation by transformers' `generate`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
)

from ufo_rl.errors import UserError
from ufo_rl.model.engine import Sampling, completion, stop_tokens
from ufo_rl.model.live_rows import leaving
from ufo_rl.model.memory import is_out_of_memory
from ufo_rl.model.plain import distance, plain_logits
from ufo_rl.model.weights import keep_end_tokens_only, pad_id
from ufo_rl.records import Completion

log = logging.getLogger(__name__)
PADDED, ONE_LENGTH = "generation in padded batches", "generation in batches of one length"
ONE_ROW, NO_CACHE = "generation with a cache", "generation without a cache"
WAYS = (PADDED, ONE_LENGTH, ONE_ROW, NO_CACHE)
PROOF_TOKENS = 3
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}  # relative, of logits
HALF = 5e-2  # padding that is seen, or a cache that is wrong, changes more


class HFEngine:
    """Batches of similar length, left padded. `batch_tokens` bounds a batch: sequences times (prompt + longest
    completion) tokens, which is what the key-value cache holds.

    A model that does not compute the same in such a batch as in its own forward pass of one row (state-space models see
    padding, some caches fail) is run in batches of one length, one row at a time, or without a cache: the first of WAYS
    that is right. `without`: what was left out, and why.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_tokens: int, eos_ids: Sequence[int]
    ) -> None:
        self.model, self.tokenizer, self.batch_tokens, self.eos_ids = model, tokenizer, batch_tokens, list(eos_ids)
        self.way, self.without = WAYS[0], dict[str, str]()
        self._proved: set[str] = set()
        keep_end_tokens_only(model)

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        """See `Engine.generate`. Longest prompts first, so that memory runs out at the start or not at all."""
        tokens = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        order = sorted(range(len(texts)), key=lambda i: (-len(tokens[i]), i))
        if order:
            self._prove([tokens[order[0]], tokens[order[-1]]])
        start = 0
        while start < len(order):
            length = len(tokens[order[start]])
            size = max(1, self.batch_tokens // (length + sampling.max_tokens)) if self.way in WAYS[:2] else 1
            batch = order[start : start + size]
            if self.way == ONE_LENGTH:
                batch = [i for i in batch if len(tokens[i]) == length]
            made = self._in_memory([tokens[i] for i in batch], sampling, [seeds[i] for i in batch])
            start += len(made)
            yield list(zip(batch, made, strict=False))  # as many as there was room for

    def _in_memory(self, rows: list[list[int]], sampling: Sampling, seeds: Sequence[int]) -> list[Completion]:
        """Of the first rows, so many that memory holds; from then on batches are no larger. What a row draws is its own."""
        while True:
            try:
                return self._batch(rows, sampling, seeds[: len(rows)])
            except Exception as error:
                if len(rows) == 1 or not is_out_of_memory(error):
                    raise
            rows = rows[: len(rows) // 2]
            self.batch_tokens = len(rows) * (len(rows[0]) + sampling.max_tokens)
            log.info("memory ran out: batches of %d tokens from here on", self.batch_tokens)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    @torch.inference_mode()
    def _batch(self, rows: list[list[int]], sampling: Sampling, seeds: Sequence[int]) -> list[Completion]:
        width = max(map(len, rows))
        # the draw is ours, one uniform number a row and step; generate only takes the largest of what it leaves
        drawn = [Numbers(), *([InverseTransform(seeds, sampling, width)] if sampling.temperature > 0 else [])]
        if self.way == NO_CACHE:
            made = [self._one_by_one(rows[0], sampling, drawn)]
        else:
            output = self._generate(rows, sampling.max_tokens, LogitsProcessorList(drawn), sampling.stop)
            made = output.sequences[:, width:].tolist()
        ends, pad = self._ends(sampling.stop), pad_id(self.tokenizer) if sampling.stop else None
        return [completion(self.tokenizer, row, ends, sampling.stop, pad) for row in made]

    def _ends(self, stop: Sequence[str]) -> list[int]:
        return [*self.eos_ids, *stop_tokens(self.tokenizer, stop)]

    def _generate(
        self,
        rows: list[list[int]],
        max_tokens: int,
        drawn: LogitsProcessorList,
        stop: Sequence[str] = (),
        **more: Any,
    ) -> Any:
        padded = self.tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors="pt")
        padded = padded.to(self.model.device)
        config = GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=self._ends(stop),
            pad_token_id=self.tokenizer.pad_token_id,
            disable_compile=True,
            return_dict_in_generate=True,
            **more,
        )
        stops = StopTexts(self.tokenizer, stop, padded["input_ids"].shape[1]) if stop else None
        with leaving(self.model, self._ends(stop), stops) as own:
            return self.model.generate(  # pyright: ignore[reportCallIssue]
                input_ids=padded["input_ids"],
                attention_mask=padded["attention_mask"],
                generation_config=config,
                logits_processor=drawn,
                **own,
            )

    def _one_by_one(self, row: list[int], sampling: Sampling, drawn: Sequence[LogitsProcessor]) -> list[int]:
        """The tokens after `row`, each by a forward pass of everything before it."""
        ids, ends = list(row), self._ends(sampling.stop)
        stops: list[Any] = [StopTexts(self.tokenizer, sampling.stop, len(row))] if sampling.stop else []
        while len(ids) < len(row) + sampling.max_tokens:
            scores: Any = plain_logits(self.model, ids, 1).float()
            for draw in drawn:
                scores = draw(torch.tensor([ids]), scores)  # pyright: ignore[reportArgumentType]
            ids.append(int(scores[0].argmax()))
            if ids[-1] in ends or any(bool(one(torch.tensor([ids]), scores)[0]) for one in stops):
                break
        return ids[len(row) :]

    def _prove(self, rows: list[list[int]]) -> None:
        """Take the first way, from the present one on, whose logits are those of the model's own forward pass.

        rows: the longest and the shortest. Padding is proved by the first call whose rows have two lengths.
        """
        rows = rows if len(rows[0]) > len(rows[1]) else rows[:1]
        name = "one length" if len(rows) == 1 else "lengths"
        if self._proved & {name, "lengths"}:
            return
        self._proved.add(name)
        while self.way != NO_CACHE:
            problem = self._problem(rows)
            if not problem:
                return
            self.without[self.way] = problem
            self.way = WAYS[WAYS.index(self.way) + 1]
            log.info("no %s: %s", *list(self.without.items())[-1])

    @torch.inference_mode()
    def _problem(self, rows: list[list[int]]) -> str:
        """What is wrong with the present way, "" for nothing."""
        batches = [[row] for row in rows] if self.way == ONE_ROW else [rows]
        if self.way == ONE_LENGTH:  # of the longest too: sparse attention sees all of a short one
            batches = [[row[-len(rows[-1]) :] for row in rows], [rows[0], rows[0]]]
        try:
            for batch in batches:
                made = self._generate(batch, PROOF_TOKENS, LogitsProcessorList(), output_logits=True)
                logits_STV = torch.stack(made.logits)
                for i, row in enumerate(batch):
                    ids = made.sequences[i, -len(logits_STV) :].tolist()
                    end = next((n for n, token in enumerate(ids) if token in self.eos_ids), len(ids) - 1) + 1
                    own = plain_logits(self.model, [*row, *ids[: end - 1]], end)
                    if not distance(logits_STV[:end, i], own) <= TOLERANCE.get(own.dtype, HALF):
                        return "other logits than in the model's own forward pass"
        except Exception as error:  # whatever a library raises over caches and masks; memory is no matter of the way
            if is_out_of_memory(error):
                return ""
            return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0][:160]
        return ""


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


class Numbers(LogitsProcessor):
    """UserError where logits are nan or inf: the largest of these is a token too, and would be graded. -inf says never."""

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        if not bool((scores < torch.inf).all()):  # nan is below nothing
            raise UserError(
                "the model's logits are nan or inf: its completions would mean nothing; its weights are numbers, so the "
                "precision is too narrow: take model.dtype=bfloat16 or float32"
            )
        return scores


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
