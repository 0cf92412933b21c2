"""Generation by a narrow model on a CPU, where a step costs what calling its parts costs, in a loop of its own
(model/narrow_layers.py)."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from transformers import DynamicCache, GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.generation.utils import GenerateDecoderOnlyOutput

from ufo_rl.model.narrow_layers import attention, layers_of, pairs, turns

ROOM = 16  # columns added to the cache at a time: all of it at once would be written before it is needed
KEPT = 0.85  # rows leave when no more than this share of those computed is alive: with 0.75 and 0.95 it took longer


def generate_narrow(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **given: Any,
) -> Any:
    """For `generate(custom_generate=...)`: samples or takes the largest, as transformers does, number for number, where a
    criterion that ends rows comes with end tokens. input_ids (B, T), padded on the left, and what it returns are tokens. Rows
    that have ended leave; they draw on, so that the others' draws stay theirs. It has a cache and positions of its own, and
    returns no scores, states or attentions."""
    config, ids_BT = generation_config, input_ids
    pad: Any = config._pad_token_tensor
    mask_BT = given.get("attention_mask")
    mask_BT = torch.ones_like(ids_BT) if mask_BT is None else mask_BT
    rows = Rows(model, ids_BT, mask_BT, config.max_length or 0)
    live_R, has_ended_B, kept = torch.arange(len(ids_BT)), torch.zeros(len(ids_BT), dtype=torch.bool), []
    while True:
        scores_BV = rows.logits_RV
        if len(live_R) < len(ids_BT):
            zeros_BV = scores_BV.new_zeros(len(ids_BT), scores_BV.shape[1])
            scores_BV = zeros_BV.index_copy_(0, live_R, scores_BV)
        if config.output_logits:
            kept.append(scores_BV.clone())
        scores_BV = logits_processor(ids_BT, scores_BV)  # pyright: ignore[reportArgumentType]
        token_B = _drawn(scores_BV) if config.do_sample else scores_BV.argmax(-1)
        if pad is not None:
            token_B = torch.where(has_ended_B, pad, token_B)
        ids_BT = torch.cat([ids_BT, token_B[:, None]], 1)
        has_ended_B |= stopping_criteria(ids_BT, scores_BV)  # pyright: ignore[reportArgumentType]
        if has_ended_B.all():
            break
        is_alive_R = ~has_ended_B[live_R]
        num_alive = int(is_alive_R.sum())
        if num_alive <= KEPT * len(live_R):
            place_R = rows.keep(is_alive_R, num_alive)
            live_R = live_R[place_R]
        rows.read(token_B[live_R])
    if not config.return_dict_in_generate:
        return ids_BT
    return GenerateDecoderOnlyOutput(sequences=ids_BT, logits=tuple(kept) or None)  # pyright: ignore[reportArgumentType]


def _drawn(scores_BV: torch.Tensor) -> torch.Tensor:
    """What `torch.multinomial` of torch 2.13 draws on a CPU, number for number: the token whose chance is largest against an
    exponential number of its own. `exponential_` takes one logarithm at a time, 14 % of this loop; this takes all at once."""
    chance_BV = scores_BV.softmax(-1)
    if not torch.isfinite(chance_BV.sum()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    uniform_BV = torch.empty(chance_BV.shape, dtype=torch.float64).uniform_()
    return chance_BV.div_(uniform_BV.neg_().log1p_().neg_().float()).argmax(-1)


class Rows:
    """Rows of tokens that the model has read: `logits_RV` of what comes next, and by layer keys and values (R, heads, T,
    size), side by side, with room for more columns. The weights are those of now."""

    def __init__(self, model: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor, max_length: int) -> None:
        """The prompts, padded on their left, are read by the model itself, those that are the same once."""
        self.model, self.layers = model, layers_of(model)
        both_PT, place_B = torch.unique(torch.cat([ids_BT, mask_BT], 1), dim=0, return_inverse=True)
        ids_PT, mask_PT = both_PT.chunk(2, 1)
        position_PT = (mask_PT.cumsum(1) - 1).clamp(min=0)
        cache: Any = DynamicCache()
        given = {"attention_mask": mask_PT, "position_ids": position_PT, "past_key_values": cache, "use_cache": True}
        self.logits_RV = model(input_ids=ids_PT, logits_to_keep=1, **given).logits[place_B, -1]
        place_D = pairs(self.layers[0].size)
        prompts = [torch.cat([layer.keys[..., place_D], layer.values], 1) for layer in cache.layers]
        self.keys_values = [F.pad(one, (0, 0, 0, ROOM))[place_B] for one in prompts]
        hidden_mask = torch.zeros(mask_BT.shape).masked_fill(mask_BT == 0, torch.finfo(torch.float32).min)
        room = max(max_length - ids_BT.shape[1], 0)
        self.mask_R11T, self.length = F.pad(hidden_mask, (0, room))[:, None, None], ids_BT.shape[1]
        self.position_R, self.turn_TC = mask_BT.sum(1), turns(model, max(max_length, ids_BT.shape[1]))
        self.head = model.lm_head.weight * model.model.norm.weight

    def keep(self, is_kept_R: torch.Tensor, num_kept: int) -> torch.Tensor:
        """Rows from the end go where those before leave, so that few are copied. Returns where each kept row was."""
        place_R = torch.arange(num_kept)
        left_M = (~is_kept_R[:num_kept]).nonzero()[:, 0]
        place_R[left_M] = moved_M = is_kept_R[num_kept:].nonzero()[:, 0] + num_kept
        for one in self.keys_values:
            one[left_M, :, : self.length] = one[moved_M, :, : self.length]
        self.keys_values = [one[:num_kept] for one in self.keys_values]
        self.mask_R11T, self.position_R = self.mask_R11T[place_R], self.position_R[place_R]
        return place_R

    def read(self, token_R: torch.Tensor) -> None:
        """One more token each."""
        base = self.model.model
        column, self.length = self.length, self.length + 1
        if column == self.keys_values[0].shape[2]:
            self.keys_values = [F.pad(one, (0, 0, 0, ROOM)) for one in self.keys_values]
        mask_R11T = self.mask_R11T[..., : self.length]
        turn_R1C = self.turn_TC[self.position_R][:, None]
        self.position_R = self.position_R + 1
        states_RH = F.embedding(token_R, base.embed_tokens.weight)
        for keys_values, layer in zip(self.keys_values, self.layers, strict=True):
            heads = layer.heads(states_RH, turn_R1C)
            keys_values[:, :, column] = heads[:, -2 * layer.num_keys :]
            keys, values = keys_values[:, :, : self.length].chunk(2, 1)
            query = heads[:, : -2 * layer.num_keys, None]
            seen = attention(query, keys, values, mask_R11T, layer.scale)
            states_RH = layer.after(states_RH, seen.reshape(len(token_R), -1))
        normed_RH = F.rms_norm(states_RH, states_RH.shape[1:], None, base.norm.variance_epsilon)
        self.logits_RV = F.linear(normed_RH, self.head)
