"""TRL's trainer, reading rows of like length together: it pads a batch to its longest completion, several times the mean."""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from trl.trainer.grpo_trainer import GRPOTrainer

log = logging.getLogger(__name__)
PARTS = 4  # of a batch
TOLERANCE, OF_HALF = 1e-4, 0.1  # of a log-probability, and where half precision computes it
MIN_ROWS = 8  # of a part


class TrainerByLength(GRPOTrainer):
    """GRPOTrainer whose log-probabilities are computed in parts of the batch, each cut behind its longest row. Loss and
    gradient are those of the whole batch, up to rounding.

    One part where parts would cost more or differ: under ZeRO 3, which gathers all weights for each; with reentrant
    checkpoints, of which ZeRO 2 wants one; with a KL term, as the reference's log-probabilities are of the whole batch, and
    rounding alone would be a distance to it; and where the model's own numbers say so, asked once.
    """

    _has_parts: bool | None = None  # unknown before the first batch

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
        is_whole = batch_size is None or batch_size >= num_rows
        is_text = all(value is None for value in images.values())
        if num_rows < 2 * MIN_ROWS or not is_whole or compute_aux_loss or not is_text or not self._may_have_parts():
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
        given = (model, input_ids, attention_mask, logits_to_keep)
        if self._has_parts is None:
            with torch.no_grad():
                whole_BT, parts_BT = compute(*given)[0], _in_parts(compute, *given, False)[0]
            kept_BT = attention_mask[:, -logits_to_keep:].bool()
            bound = OF_HALF if self.args.bf16 or self.args.fp16 else TOLERANCE
            is_near = torch.allclose(whole_BT[kept_BT], parts_BT[kept_BT], rtol=0, atol=bound)
            # one answer for all ranks: with another number of forward passes, one would wait for the others for ever
            num_near: Any = self.accelerator.reduce(torch.tensor(int(is_near), device=input_ids.device), "sum")
            self._has_parts = int(num_near) == self.accelerator.num_processes
            if not self._has_parts:
                log.info("log-probabilities of the whole batch at once: in parts the model's own differ")
        if not self._has_parts:
            return compute(*given, None, compute_entropy, False)
        return *_in_parts(compute, *given, compute_entropy), None

    def _may_have_parts(self) -> bool:
        checkpointing: Any = self.args.gradient_checkpointing_kwargs or {}
        is_reentrant = bool(checkpointing.get("use_reentrant"))
        return self._has_parts is not False and not self.beta and not is_reentrant and not is_deepspeed_zero3_enabled()


def _in_parts(
    compute: Any,
    model: Any,
    ids_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    logits_to_keep: int,
    compute_entropy: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probabilities and entropies as TRL's `compute` has them. Padding before the prompts stays: TRL gives no positions,
    and a model without rotary ones counts from the first column."""
    width = ids_BT.shape[1]
    last_B = width - mask_BT.bool().int().flip(1).argmax(1)
    order_B = torch.argsort(last_B, descending=True, stable=True)
    logprobs, entropies = [], []
    for rows in order_B.chunk(min(PARTS, len(ids_BT) // MIN_ROWS)):
        end = max(int(last_B[rows].max()), width - logits_to_keep + 1)
        part = ids_BT[rows, :end], mask_BT[rows, :end], logits_to_keep - (width - end)
        logprobs_RT, entropies_RT, _ = compute(model, *part, None, compute_entropy, False)
        logprobs.append(torch.nn.functional.pad(logprobs_RT, (0, width - end)))
        if entropies_RT is not None:
            entropies.append(torch.nn.functional.pad(entropies_RT, (0, width - end)))
    back_B = torch.argsort(order_B)
    return torch.cat(logprobs)[back_B], torch.cat(entropies)[back_B] if entropies else None
