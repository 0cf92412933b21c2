"""TRL's trainer, reading rows of like length together: it pads a batch to its longest completion, several times the mean."""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from trl.trainer.grpo_trainer import GRPOTrainer

PARTS = 4  # of a batch
MIN_ROWS = 8  # of a part


class TrainerByLength(GRPOTrainer):
    """GRPOTrainer whose log-probabilities are computed in parts of the batch, each cut to its longest row. Loss and gradient
    are those of the whole batch, up to rounding. ZeRO 3 would gather all weights for each part: it has one."""

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
        num_rows, width = input_ids.shape
        num_parts = min(PARTS, num_rows // MIN_ROWS)
        compute = super()._get_per_token_logps_and_entropies
        is_whole = batch_size is None or batch_size >= num_rows
        is_text = all(value is None for value in images.values())
        if num_parts < 2 or not is_whole or compute_aux_loss or not is_text or is_deepspeed_zero3_enabled():
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
        first_B, last_B = _borders(attention_mask)
        order_B = torch.argsort(last_B - first_B, descending=True, stable=True)
        logprobs, entropies = [], []
        for rows in order_B.chunk(num_parts):
            begin = min(int(first_B[rows].min()), width - logits_to_keep - 1)
            end = max(int(last_B[rows].max()), width - logits_to_keep + 1)
            part = input_ids[rows, begin:end], attention_mask[rows, begin:end]
            logprobs_RT, entropies_RT, _ = compute(
                model, *part, logits_to_keep - (width - end), None, compute_entropy, False
            )
            logprobs.append(torch.nn.functional.pad(logprobs_RT, (0, width - end)))
            if entropies_RT is not None:
                entropies.append(torch.nn.functional.pad(entropies_RT, (0, width - end)))
        back_B = torch.argsort(order_B)
        return torch.cat(logprobs)[back_B], torch.cat(entropies)[back_B] if entropies else None, None


def _borders(attention_mask_BT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the tokens of each row begin, and end."""
    mask_BT = attention_mask_BT.bool().int()
    return mask_BT.argmax(1), mask_BT.shape[1] - mask_BT.flip(1).argmax(1)
