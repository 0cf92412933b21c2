"""Who computes log-probabilities: our own forward pass, or vLLM's. Both take rows of tokens and yield measurements."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import PreTrainedModel

from ufo_rl.model.engine import Engine, Sampling
from ufo_rl.records import Completion
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.last_layer import target_weights
from ufo_rl.signals.confidence.measure import Batch, Measured, measure, share_prefix
from ufo_rl.signals.confidence.shortcuts import prove_more
from ufo_rl.signals.confidence.spans import Encoded
from ufo_rl.signals.flops import matrix_rate, weights, weights_of

VLLM_ROWS = 256  # handed over at a time
WARM_UP_ROWS = 8
PART_S = 2.0


class OwnScorer:
    """One forward pass of the model, at the speed of the hardware; `engine` makes responses where they are the target."""

    def __init__(
        self, model: PreTrainedModel, engine: Engine, pad_id: int, batch_tokens: int | None, batch_size: int | None
    ) -> None:
        self.engine, self.batch_size = engine, batch_size
        self.body, self.head = weights(model)
        self.last = target_weights(model.base_model)
        self.forcing = TeacherForcing(model, pad_id)
        self.budget = Budget(batch_tokens, model.device.type)
        self._is_ready = False

    def respond(
        self, texts: Sequence[str], prompts: Sequence[list[int]], max_tokens: int, stop: tuple[str, ...] = ()
    ) -> Iterator[list[tuple[int, Completion]]]:
        """See `greedy`. `prompts`, the texts' tokens, are all that responses can share: the first part of them to be
        finished may be a single one."""
        self._prepare([Encoded(ids, 1, "") for ids in prompts])
        return greedy(self.engine, texts, Sampling(0.0, max_tokens, stop))

    def _prepare(self, rows: Sequence[Encoded]) -> None:
        if rows and self._is_ready:
            prove_more(self.forcing, rows)
        elif rows:
            share_prefix(self.forcing, rows, packs=True)
            self._is_ready = True

    def warm_up(self, rows: Sequence[Encoded]) -> None:
        """What is done once for all rows, so that it counts as start-up: finding out how the model can be run, and a first
        pass, in which libraries choose their kernels and ask for memory."""
        self._prepare(rows)
        for _ in measure(
            self.forcing, rows[:WARM_UP_ROWS], Budget(512, self.forcing.model.device.type), self.batch_size
        ):
            pass

    def measure(self, rows: Sequence[Encoded]) -> Iterator[Batch]:
        self._prepare(rows)
        return measure(self.forcing, rows, self.budget, self.batch_size)

    def facts(self) -> dict[str, Any]:
        """What the cost record needs to know of the model and the machine."""
        at_targets = self.head + (self.last if self.forcing.last_layer is not None else 0)
        if not self.forcing.is_split:
            at_targets = 0  # run whole, the model computes everything everywhere
        return {
            "token_weights": self.body + self.head - at_targets,
            "target_weights": at_targets,
            "body_weights": self.body,
            "head_weights": self.head,
            "matrix_flops_per_s": matrix_rate(self.forcing.model),
            "batch_tokens": self.budget.tokens,
            "without": {**self.forcing.without, **getattr(self.engine, "without", {})},
        }


class VLLMScorer:
    """vLLM's `prompt_logprobs`: log-softmax in the precision that vLLM computes in."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def respond(
        self, texts: Sequence[str], prompts: Sequence[list[int]], max_tokens: int, stop: tuple[str, ...] = ()
    ) -> Iterator[list[tuple[int, Completion]]]:
        return greedy(self.engine, texts, Sampling(0.0, max_tokens, stop))

    def warm_up(self, rows: Sequence[Encoded]) -> None:
        """vLLM has done so when it is there."""

    def measure(self, rows: Sequence[Encoded]) -> Iterator[Batch]:
        for start in range(0, len(rows), VLLM_ROWS):
            part = rows[start : start + VLLM_ROWS]
            terms = self.engine.logprobs([(row.ids, row.num_target) for row in part])
            yield [
                (start + i, Measured.of(row, own, 0, 0)) for i, (row, own) in enumerate(zip(part, terms, strict=True))
            ]

    def facts(self) -> dict[str, Any]:
        """vLLM makes the logits of every token of a prompt. The matrix rate is not measured: vLLM has the device."""
        body, head = weights_of(self.engine.folder)
        return {"token_weights": body + head, "target_weights": 0, "body_weights": body, "head_weights": head}


def greedy(engine: Engine, texts: Sequence[str], sampling: Sampling) -> Iterator[list[tuple[int, Completion]]]:
    """One greedy completion a text, with its index: what came within two seconds at a time, so that it can be stored."""
    part, began = [], time.perf_counter()
    for finished in engine.generate(texts, sampling, [0] * len(texts)):
        part += finished
        if time.perf_counter() - began >= PART_S:
            yield part
            part, began = [], time.perf_counter()
    if part:
        yield part
