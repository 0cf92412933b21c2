"""The pool scored by the policy as it is, inside the running training, and selected anew."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from accelerate.utils import gather_object
from trl.models.utils import unwrap_model_for_generation

from ufo_rl.launch.publish import SignalRow
from ufo_rl.model.weights import pad_id
from ufo_rl.records import Prompt
from ufo_rl.selector import Selector
from ufo_rl.selector.columns import of_pool
from ufo_rl.selector.cut import select
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.last_layer import leave_as_it_was
from ufo_rl.signals.confidence.measure import measure, share_prefix
from ufo_rl.signals.confidence.settings import Confidence
from ufo_rl.signals.confidence.spans import encode
from ufo_rl.training.groups import Group
from ufo_rl.training.lora import own_model
from ufo_rl.training.moving_feed import Chosen

# Given, not found by timing: with other batches the last digits differ, and with them what is kept near the cut.
BATCH_TOKENS = {"cpu": 2048, "cuda": 16384}


class Rescore:
    """prompts: of the pool. scored: their texts as the signal renders them, in the same order."""

    def __init__(
        self,
        trainer: Any,
        prompts: Sequence[Prompt],
        scored: Sequence[SignalRow],
        signal: Confidence,
        selector: Selector,
        ratio: float,
        seed: int,
    ) -> None:
        self.trainer, self.prompts, self.scored, self.signal = trainer, prompts, scored, signal
        self.selector, self.ratio, self.seed = selector, ratio, seed

    def choose(self, number: int) -> Chosen:
        """All ranks come to it together: each scores its share, and all are told all of it."""
        began = time.perf_counter()
        columns = of_pool(self.prompts, lambda prompts: [0] * len(prompts))
        columns.update(self.signal.values(pa.Table.from_pylist(self._measured())))
        kept = set(select(columns, self.selector, self.ratio, self.seed).ids)
        confidence = columns["confidence"]
        is_kept = np.array([prompt.id in kept for prompt in self.prompts])
        facts = {
            "confidence": float(confidence[is_kept].mean()),
            "pool_confidence": float(confidence.mean()),
            "seconds": time.perf_counter() - began,
        }
        return Chosen(sorted(kept), facts)

    def _measured(self) -> list[dict[str, Any]]:
        """What the signal stores of each prompt, in the order of the pool."""
        accelerator, tokenizer = self.trainer.accelerator, self.trainer.processing_class
        own = range(accelerator.process_index, len(self.scored), accelerator.num_processes)
        rows = encode(tokenizer, [self.scored[i].text for i in own], [self.scored[i].target_start for i in own])
        found: list[tuple[int, dict[str, Any]]] = []
        with unwrap_model_for_generation(self.trainer.model_wrapped, accelerator) as unwrapped, torch.no_grad():
            model: Any = own_model(unwrapped)
            was_training = model.training
            model.eval()
            forcing = TeacherForcing(model, pad_id(tokenizer))
            share_prefix(forcing, rows)
            budget = Budget(BATCH_TOKENS[accelerator.device.type], accelerator.device.type)
            for batch in measure(forcing, rows, budget, None):
                found += [(own[i], {k: v for k, v in asdict(one).items() if k != "token_logprobs"}) for i, one in batch]
            leave_as_it_was(model)
            model.train(was_training)
        return [one for _, one in sorted(gather_object(found))]

    def learn(self, groups: Sequence[Group]) -> None:
        """The policy itself says what it has learnt."""

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """There is nothing to go on from."""
