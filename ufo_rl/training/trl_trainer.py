"""TRL's trainer, computing log-probabilities at fewer positions: it reads the prompt of a group once, not with every
completion, and rows of like length together. TRL reads all and pads to the longest completion, several times the mean."""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from trl.trainer.grpo_trainer import GRPOTrainer

from ufo_rl.training.positions import PROMPTS_ONCE, WAYS, WHOLE, Batch, compute_in_parts

log = logging.getLogger(__name__)
TOLERANCE, OF_HALF = 1e-4, 0.1  # of a log-probability, and where half precision computes it
MIN_ROWS = 16


class Trainer(GRPOTrainer):
    """GRPOTrainer whose log-probabilities are computed in the first of WAYS that is right. Loss and gradient are those of
    the whole batch, up to rounding.

    The whole batch where less would cost more or differ: under ZeRO 3, which gathers all weights for each part; with
    reentrant checkpoints, of which ZeRO 2 wants one; with a KL term, as the reference's log-probabilities are of the whole
    batch, and rounding alone would be a distance to it; and where the model's own numbers say so, asked once.
    """

    _way: str | None = None  # unknown before the first batch

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **images: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        num_rows = len(input_ids)
        compute = super()._get_per_token_logps_and_entropies
        is_split = batch_size is not None and batch_size < num_rows
        is_text = all(value is None for value in images.values())
        if num_rows < MIN_ROWS or is_split or compute_aux_loss or not is_text or not self._may_have_parts():
            return compute(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **images,
            )
        batch = Batch(input_ids, attention_mask, logits_to_keep)
        if self._way is None:
            self._way = self._first_right(model, batch)
        if self._way == WHOLE:
            return compute(model, *batch, None, compute_entropy, False)
        with self.accelerator.autocast():
            return *compute_in_parts(self._way, model, batch, compute_entropy), None

    def _may_have_parts(self) -> bool:
        checkpointing: Any = self.args.gradient_checkpointing_kwargs or {}
        is_reentrant = bool(checkpointing.get("use_reentrant"))
        return self._way != WHOLE and not self.beta and not is_reentrant and not is_deepspeed_zero3_enabled()

    @torch.no_grad()
    def _first_right(self, model: Any, batch: Batch) -> str:
        """The first way whose log-probabilities are the whole batch's, on every rank: with another number of forward
        passes, one would wait for the others for ever."""
        whole_BT = super()._get_per_token_logps_and_entropies(model, *batch)[0]
        kept_BT = batch.mask[:, -batch.logits_to_keep :].bool()
        bound = OF_HALF if self.args.bf16 or self.args.fp16 else TOLERANCE
        for way in WAYS:
            # checkpoints compute a layer anew, with a cache that has its keys already
            if way == PROMPTS_ONCE and (self.args.gradient_checkpointing or batch.prompt_width < 2):
                continue
            try:
                with self.accelerator.autocast():
                    found_BT = compute_in_parts(way, model, batch, False)[0]
                is_near = torch.allclose(whole_BT[kept_BT], found_BT[kept_BT], rtol=0, atol=bound)
            except Exception as error:  # of whatever kind: such a model is read as TRL does
                log.info("log-probabilities, %s: %s: %s", way, type(error).__name__, error)
                is_near = False
            num_near: Any = self.accelerator.reduce(torch.tensor(int(is_near), device=batch.ids.device), "sum")
            if int(num_near) == self.accelerator.num_processes:
                return way
            log.info("log-probabilities are not computed with %s: the model's own differ", way)
        return WHOLE
