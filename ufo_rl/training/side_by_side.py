"""Log-probabilities of a narrow model's completions, tokens side by side: each prompt is read once, and padding by attention
alone (model/narrow_layers.py)."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from trl.kernels import ChunkedLogProbFunction

from ufo_rl.model.narrow_layers import Layer, attention, layers_of, pairs, turns
from ufo_rl.training.positions import Batch, read_prompts, rows_by_length

CHUNK = 8192  # of the vocabulary at a time: a quarter of TRL's, which is for GPUs


def compute_side_by_side(
    wrapped: Any, model: Any, batch: Batch, temperature: float, compute_entropy: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probabilities and entropies (rows, logits_to_keep), zero behind a row's last token.

    wrapped: the model as it is trained, which reads the prompts; model: its `has_calls_to_spare` is true.
    """
    first = batch.prompt_width - 1  # each row reads the last token of its prompt: it predicts the row's first
    cache, place_B = read_prompts(wrapped, batch, first)
    order_B, cuts = rows_by_length(batch.mask)
    kept_BT = until_last(batch.mask[order_B, first + 1 :])
    at_N = kept_BT.flatten().nonzero()[:, 0]
    ids_BT, columns = batch.ids[order_B], kept_BT.shape[1]
    tokens_N, targets_N = (ids_BT[:, first + i : first + i + columns].flatten()[at_N] for i in (0, 1))
    turn_N1C = turns(model, first + columns)[first:][at_N % columns][:, None]
    parts = [PaddedRows(batch, rows, place_B[rows]) for rows in order_B.tensor_split(cuts)]
    sizes = [part.num_tokens for part in parts]
    layers, states_NH = layers_of(model), model.model.embed_tokens(tokens_N)
    place_D = pairs(layers[0].size)
    for layer, prompts in zip(layers, cache.layers, strict=True):
        heads = layer.heads(states_NH, turn_N1C).split(sizes)
        before = prompts.keys[..., place_D], prompts.values
        seen = [part.seen(own, before, layer) for part, own in zip(parts, heads, strict=True)]
        states_NH = layer.after(states_NH, torch.cat(seen))
    norm, head = model.model.norm, model.lm_head.weight
    normed = F.rms_norm(states_NH, states_NH.shape[1:], norm.weight, norm.variance_epsilon)
    asked = ("entropy",) if compute_entropy else ()
    found = ChunkedLogProbFunction.apply(normed, head, None, targets_N, temperature, CHUNK, None, 1.0, asked)
    back_B = torch.argsort(order_B)
    logprobs, entropies = (
        None if one is None else one.new_zeros(kept_BT.numel()).index_copy(0, at_N, one).view(kept_BT.shape)[back_B]
        for one in found[:2]
    )
    assert logprobs is not None
    return logprobs, entropies


def until_last(mask_BT: torch.Tensor) -> torch.Tensor:
    """The columns up to each row's last token, left out or not: what comes later has to be read behind it."""
    return mask_BT.flip(1).cummax(1).values.flip(1).bool()


class PaddedRows:
    """Rows of like length, the longest first: R rows, T columns. Their tokens lie side by side, row after row."""

    def __init__(self, batch: Batch, rows: torch.Tensor, place_R: torch.Tensor) -> None:
        """place_R: of each row's prompt."""
        first = batch.prompt_width - 1
        is_kept_RT = until_last(batch.mask[rows, first + 1 :])
        width = max(1, int(is_kept_RT.any(0).sum()))
        is_kept_RT = is_kept_RT[:, :width]
        self.place_R, self.shape, self.num_tokens = place_R, is_kept_RT.shape, int(is_kept_RT.sum())
        self.at_N = is_kept_RT.flatten().nonzero()[:, 0]
        # padding reads some token: nothing looks at what it computes
        self.from_RT = torch.zeros(is_kept_RT.numel(), dtype=torch.long)
        self.from_RT[self.at_N] = torch.arange(self.num_tokens)
        is_read_RT = batch.mask[rows, first : first + width].bool()
        before_RTT = torch.ones(width, width, dtype=torch.bool).tril() & is_read_RT[:, None]
        # padding sees itself: scores of nothing would be no numbers
        before_RTT = before_RTT | (torch.eye(width, dtype=torch.bool) & ~is_kept_RT[:, :, None])
        prompt_RTT = batch.mask[rows, :first].bool()[:, None].expand(-1, width, -1)
        sees_RTT = torch.cat([prompt_RTT, before_RTT], 2)
        lowest = torch.finfo(torch.float32).min
        self.mask = torch.zeros(sees_RTT.shape).masked_fill(~sees_RTT, lowest)[:, None]

    def seen(self, heads: torch.Tensor, before: tuple[torch.Tensor, torch.Tensor], layer: Layer) -> torch.Tensor:
        """What attention finds for each token (N, queries). before: keys and values of the prompts."""
        if not self.num_tokens:
            return heads[:, : -2 * layer.num_keys].flatten(1)
        wide = heads.index_select(0, self.from_RT).view(*self.shape, *heads.shape[1:]).transpose(1, 2)
        query, *own = wide.split((wide.shape[1] - 2 * layer.num_keys, layer.num_keys, layer.num_keys), 1)
        keys, values = (
            torch.cat([one.index_select(0, self.place_R), more], 2) for one, more in zip(before, own, strict=True)
        )
        found = attention(query, keys, values, self.mask, layer.scale).transpose(1, 2)
        return found.reshape(self.shape.numel(), -1).index_select(0, self.at_N)
