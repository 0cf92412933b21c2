"""Signal `confidence`: the mean log-probability of the target tokens in one forward pass (arXiv 2505.12457).

Axes: B rows of a batch, T token positions, K the last positions that hold the batch's targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Encoded:
    """Token ids of a text that ends at its target; `num_target` of them, at the end, are the target's.

    `border` is what the first target token carries of the characters before the target.
    """

    ids: list[int]
    num_target: int
    border: str


@dataclass(frozen=True)
class Measured:
    mean_logprob: float
    num_target_tokens: int
    num_tokens: int
    border: str


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], starts: Sequence[int]) -> list[Encoded]:
    """Tokens of each text, and how many belong to the target that begins at character `start`.

    The target's tokens are all that overlap its characters: tokenizers merge across the border, so the target alone
    would be cut differently. Needs a fast tokenizer (offsets).
    """
    batch = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    rows = []
    for text, start, ids, offsets in zip(texts, starts, batch["input_ids"], batch["offset_mapping"], strict=True):
        first = next((i for i, (_, end) in enumerate(offsets) if end > start), None)
        if first is None or first == 0:
            raise ValueError(f"no target tokens, or no context before them, in the text that ends {text[-80:]!r}")
        rows.append(Encoded(list(ids), len(ids) - first, text[min(offsets[first][0], start) : start]))
    return rows


def measure(
    model: PreTrainedModel, rows: Sequence[Encoded], batch_size: int, batch_tokens: int, pad_id: int
) -> Iterator[list[tuple[int, Measured]]]:
    """Yield (index into `rows`, measurement) batch by batch, in order of length.

    A batch has at most `batch_size` rows and, unless it is one row, `batch_tokens` tokens with padding.
    """
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i].ids), i), reverse=True)
    start = 0
    while start < len(order):
        width = len(rows[order[start]].ids)  # the longest of its batch
        batch = order[start : start + max(1, min(batch_size, batch_tokens // width))]
        start += len(batch)
        means = mean_logprobs(model, [rows[i] for i in batch], pad_id)
        yield [
            (i, Measured(mean, rows[i].num_target, len(rows[i].ids), rows[i].border))
            for i, mean in zip(batch, means, strict=True)
        ]


@torch.inference_mode()
def mean_logprobs(model: PreTrainedModel, rows: Sequence[Encoded], pad_id: int) -> list[float]:
    """Conf(x) = (1/T) sum_t log P(y_t | x, y_<t), natural logarithm, <= 0, of each row; one forward pass.

    Left padding puts all targets at the end, so that logits are computed for the last K positions alone; positions
    are numbered from each row's first real token, so that padding changes nothing.
    """
    width = max(len(row.ids) for row in rows)
    ids_BT = torch.full((len(rows), width), pad_id)
    mask_BT = torch.zeros((len(rows), width), dtype=torch.long)
    for b, row in enumerate(rows):
        ids_BT[b, width - len(row.ids) :] = torch.tensor(row.ids)
        mask_BT[b, width - len(row.ids) :] = 1
    ids_BT, mask_BT = ids_BT.to(model.device), mask_BT.to(model.device)
    positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
    num_last = max(row.num_target for row in rows)
    logits_BKV = model(
        input_ids=ids_BT,
        attention_mask=mask_BT,
        position_ids=positions_BT,
        logits_to_keep=num_last + 1,
        use_cache=False,
    ).logits[:, :-1]
    targets_BK = ids_BT[:, -num_last:]
    logprobs_BK = torch.stack(
        [
            torch.log_softmax(logits_KV.float(), -1).gather(-1, targets_K[:, None])[:, 0]
            for logits_KV, targets_K in zip(logits_BKV, targets_BK, strict=True)
        ]
    ).double()
    return [logprobs_BK[b, -row.num_target :].mean().item() for b, row in enumerate(rows)]
