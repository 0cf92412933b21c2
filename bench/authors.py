"""The authors' scoring procedure, written from its description: what ours is compared with.

Batches of 8 in the order of the dataset, every row padded to the longest of the whole dataset, logits of the whole
vocabulary over the answer window, log-softmax, and a loop over tokens with one number fetched at a time. Kinder than the
description in one point: logits are made for the answer window alone, not for the whole row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ufo_rl.signals.confidence.spans import Encoded

BATCH_SIZE = 8


@torch.inference_mode()
def score(model: Any, rows: Sequence[Encoded], longest: int, window: int, pad_id: int) -> list[float]:
    """Mean log-probability of each row's target. `longest` tokens and `window` target tokens are the dataset's maxima."""
    means = []
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        ids = torch.tensor([[pad_id] * (longest - len(row.ids)) + row.ids for row in batch], device=model.device)
        mask = torch.tensor([[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in batch], device=model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=window + 1).logits
        logprobs = torch.log_softmax(logits, dim=-1)
        for b, row in enumerate(batch):
            total = 0.0
            for back in range(row.num_target, 0, -1):
                total += logprobs[b, -back - 1, row.ids[-back]].item()
            means.append(total / row.num_target)
    return means
