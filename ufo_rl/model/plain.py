"""A model's own forward pass of one row, without padding, mask and cache: what every faster way is held against."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

LEAST = -30.0  # of a log-probability


@torch.inference_mode()
def plain_logits(model: PreTrainedModel, ids: Sequence[int], count: int) -> torch.Tensor:
    """Logits (count, vocabulary) at the last `count` positions of a row of tokens, as the model makes them."""
    can_leave_out = "logits_to_keep" in inspect.signature(model.forward).parameters
    more = {"logits_to_keep": count} if can_leave_out else {}
    ids_1T = torch.tensor([list(ids)], device=model.device)
    return model(input_ids=ids_1T, use_cache=False, **more).logits[0, -count:]


def distance(logits: torch.Tensor, plain: torch.Tensor) -> float:
    """How far two tables of logits (..., vocabulary) are apart, relative to the spread of `plain`; nan where one holds nan.

    What is the same for every token does not count, nor what is next to impossible in both: masked tokens have -inf.
    """
    a, b = (torch.log_softmax(x.double(), -1).clamp(min=LEAST) for x in (logits.to(plain.device), plain))
    return ((a - b).norm() / (b - b.mean(-1, keepdim=True)).norm()).item()
