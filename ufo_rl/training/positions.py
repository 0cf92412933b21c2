"""Log-probabilities of completions at as few positions as they need."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache

SIDE_BY_SIDE, PROMPTS_ONCE = "tokens side by side", "each prompt once"
BY_LENGTH, WHOLE = "rows by length", "the whole batch"
WAYS = (SIDE_BY_SIDE, PROMPTS_ONCE, BY_LENGTH)
MIN_ROWS = 8  # of a part
SHARES = (8, 4, 2)  # of a batch in front of each cut, as divisors: few completions are long
BY_WIDTH = {"dynamic", "longrope"}  # rotary frequencies that follow from the longest row of a forward pass
NO_LABEL = -100


class Batch(NamedTuple):
    """As TRL makes it: prompts padded on their left, completions on their right."""

    ids: torch.Tensor  # (rows, prompt_width + logits_to_keep)
    mask: torch.Tensor  # the same
    logits_to_keep: int  # columns of the completions

    @property
    def prompt_width(self) -> int:
        return self.ids.shape[1] - self.logits_to_keep

    @property
    def kept(self) -> torch.Tensor:
        """Which columns of the completions hold a token."""
        return self.mask[:, -self.logits_to_keep :].bool()


def turns_by_width(config: Any) -> bool:
    """Whether a row's states depend on how wide its batch is. config: of a model."""
    ropes = getattr(config.get_text_config(), "rope_parameters", None) or {}
    kinds = {ropes.get("rope_type"), *(one.get("rope_type") for one in ropes.values() if isinstance(one, dict))}
    return bool(kinds & BY_WIDTH)


def compute_in_parts(
    way: str, model: Any, batch: Batch, compute_entropy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probabilities and entropies (rows, logits_to_keep), zero behind a part's longest row.

    way: PROMPTS_ONCE or BY_LENGTH. The model has TRL's fused head. Padding before the prompts stays: TRL gives no positions,
    and a model without rotary ones counts from the first column.
    """
    width, first = batch.ids.shape[1], 0
    cache, place_B = None, torch.arange(len(batch.ids))
    if way == PROMPTS_ONCE:
        first = batch.prompt_width - 1  # each row reads the last token of its prompt: it predicts the row's first
        cache, place_B = read_prompts(model, batch, first)
    last_B = width - batch.mask.bool().int().flip(1).argmax(1)
    order_B, cuts = rows_by_length(batch.mask)
    logprobs, entropies = [], []
    for rows in order_B.tensor_split(cuts):
        end = max(int(last_B[rows].max()), batch.prompt_width + 1)
        ids_RT, mask_RT = batch.ids[rows, first:end], batch.mask[rows, :end]
        labels_RT = ids_RT.masked_fill(mask_RT[:, first:] == 0, NO_LABEL)
        labels_RT[:, : batch.prompt_width - first] = NO_LABEL
        before = {} if cache is None else {"past_key_values": _of_rows(cache, place_B[rows])}
        output = model(input_ids=ids_RT, attention_mask=mask_RT, labels=labels_RT, fused_lm_head=True, **before)
        for kept, found_RT in ((logprobs, output.log_probs), (entropies, output.entropy if compute_entropy else None)):
            if found_RT is not None:
                kept.append(torch.nn.functional.pad(found_RT[:, batch.prompt_width - end :], (0, width - end)))
    back_B = torch.argsort(order_B)
    return torch.cat(logprobs)[back_B], torch.cat(entropies)[back_B] if entropies else None


def rows_by_length(mask_BT: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Rows in the order of their last columns, the longest first, and where parts of like length begin."""
    order_B = torch.argsort(mask_BT.bool().int().flip(1).argmax(1), stable=True)
    return order_B, [len(order_B) // share for share in SHARES if len(order_B) // share >= MIN_ROWS]


def read_prompts(model: Any, batch: Batch, width: int) -> tuple[Any, torch.Tensor]:
    """The cache of the different prompts' first `width` columns, with its gradient, and each row's place in it."""
    both_BT = torch.cat([batch.ids[:, : width + 1], batch.mask[:, : width + 1]], 1)
    different_PT, place_B = torch.unique(both_BT, dim=0, return_inverse=True)
    cache = DynamicCache()
    model(
        input_ids=different_PT[:, :width],
        attention_mask=different_PT[:, width + 1 : -1],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return cache, place_B


def _of_rows(cache: Any, place_R: torch.Tensor) -> Any:
    """A cache of its own for the rows of a part: reading them adds to it."""
    own = copy.copy(cache)
    own.layers = [copy.copy(layer) for layer in cache.layers]
    own.batch_select_indices(place_R)
    return own
