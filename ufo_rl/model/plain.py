"""A model's own forward pass of one row, without padding, mask and cache: what every faster way is held against."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel


@torch.inference_mode()
def plain_logits(model: PreTrainedModel, ids: Sequence[int], count: int) -> torch.Tensor:
    """Logits (count, vocabulary) at the last `count` positions of a row of tokens, as the model makes them."""
    can_leave_out = "logits_to_keep" in inspect.signature(model.forward).parameters
    more = {"logits_to_keep": count} if can_leave_out else {}
    ids_1T = torch.tensor([list(ids)], device=model.device)
    return model(input_ids=ids_1T, use_cache=False, **more).logits[0, -count:]
