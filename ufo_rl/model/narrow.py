"""Generation by a narrow model on a CPU, where a step costs what calling its parts costs: the same products with a third of
the calls, for models of Llama's shape."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from transformers import (
    DynamicCache,
    GenerationConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    PreTrainedModel,
    Qwen2ForCausalLM,
    StoppingCriteriaList,
)
from transformers.generation.utils import GenerateDecoderOnlyOutput
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from ufo_rl.model.few_threads import is_narrow

SHAPES = (LlamaForCausalLM, Qwen2ForCausalLM)
ROOM = 16  # columns added to the cache at a time
KEPT = 0.85  # rows leave when no more than this share of those computed is alive


def has_calls_to_spare(model: PreTrainedModel) -> bool:
    """Whether `generate_narrow` computes what the model does; that it is right is for the caller to try."""
    config: Any = model.config
    if type(model) not in SHAPES or not is_narrow(model) or model.dtype != torch.float32:
        return False
    if model.training and config.attention_dropout:
        return False
    head: Any = model.get_output_embeddings()
    linear = {name: one for name, one in model.named_modules() if name.endswith("_proj")} | {"": head}
    with_bias = ("q_proj", "k_proj", "v_proj")
    return (
        not is_deepspeed_zero3_enabled()
        and config.hidden_act == "silu"
        and config.rope_parameters.get("rope_type") == "default"
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and all(type(one) is torch.nn.Linear for one in linear.values())
        and all(one.bias is None for name, one in linear.items() if not name.endswith(with_bias))
        # DeepSpeed's own, on the whole model, are of its engine's forward pass
        and not any(one._forward_hooks or one._forward_pre_hooks for one in list(model.modules())[1:])
    )


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
    """What `torch.multinomial` draws on a CPU, number for number: the token whose chance is largest against an exponential
    number of its own. It takes 14 % of this loop, as `exponential_` takes one logarithm at a time."""
    chance_BV = scores_BV.softmax(-1)
    if not torch.isfinite(chance_BV.sum()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    uniform_BV = torch.empty(chance_BV.shape, dtype=torch.float64).uniform_()
    return chance_BV.div_(uniform_BV.neg_().log1p_().neg_().float()).argmax(-1)


class Rows:
    """Rows of tokens that the model has read: `logits_RV` of what comes next, and by layer keys and values (R, heads, T,
    size), side by side, with room for more columns.

    The weights are those of now. Of projections that read the same input it makes one, the norm's weights with it. The two
    halves of a head that positions turn together are neighbours, in queries and keys alike: complex numbers, turned by one
    product.
    """

    def __init__(self, model: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor, max_length: int) -> None:
        """The prompts, padded on their left, are read by the model itself, those that are the same once."""
        self.model, base = model, model.model
        both_PT, place_B = torch.unique(torch.cat([ids_BT, mask_BT], 1), dim=0, return_inverse=True)
        ids_PT, mask_PT = both_PT.chunk(2, 1)
        position_PT = (mask_PT.cumsum(1) - 1).clamp(min=0)
        cache: Any = DynamicCache()
        given = {"attention_mask": mask_PT, "position_ids": position_PT, "past_key_values": cache, "use_cache": True}
        self.logits_RV = model(input_ids=ids_PT, logits_to_keep=1, **given).logits[place_B, -1]
        pairs_D = _pairs(cache.layers[0].keys.shape[-1])
        read = [torch.cat([layer.keys[..., pairs_D], layer.values], 1) for layer in cache.layers]
        self.keys_values = [F.pad(one, (0, 0, 0, ROOM))[place_B] for one in read]
        hidden_mask = torch.zeros(mask_BT.shape).masked_fill(mask_BT == 0, torch.finfo(torch.float32).min)
        room = max(max_length - ids_BT.shape[1], 0)
        self.mask_R11T, self.length = F.pad(hidden_mask, (0, room))[:, None, None], ids_BT.shape[1]
        self.position_R = mask_BT.sum(1)
        steps_1T = torch.arange(max(max_length, ids_BT.shape[1]))[None]
        cos_TD, sin_TD = (one[0] for one in base.rotary_emb(self.logits_RV, steps_1T))
        self.turn_TC = torch.complex(*(one[:, : len(pairs_D) // 2].contiguous() for one in (cos_TD, sin_TD)))
        self.layers = [_weights(layer, pairs_D) for layer in base.layers]
        self.head = model.lm_head.weight * base.norm.weight

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
        """One more token each. `addmm` adds a product to the states in one call."""
        base = self.model.model
        column, self.length = self.length, self.length + 1
        if column == self.keys_values[0].shape[2]:
            self.keys_values = [F.pad(one, (0, 0, 0, ROOM)) for one in self.keys_values]
        mask_R11T = self.mask_R11T[..., : self.length]
        turn_R1C = self.turn_TC[self.position_R][:, None]
        self.position_R = self.position_R + 1
        states_RH = F.embedding(token_R, base.embed_tokens.weight)
        shape, size = states_RH.shape[-1:], 2 * turn_R1C.shape[-1]
        for keys_values, (qkv, bias, out, up, down, first_eps, second_eps, scale) in zip(
            self.keys_values, self.layers, strict=True
        ):
            num_keys = keys_values.shape[1] // 2
            heads_RHD = F.linear(F.rms_norm(states_RH, shape, None, first_eps), qkv, bias).view(len(token_R), -1, size)
            torch.view_as_complex(heads_RHD[:, :-num_keys].unflatten(-1, (-1, 2))).mul_(turn_R1C)
            query_RH1D = heads_RHD[:, : -2 * num_keys, None]
            keys_values[:, :, column] = heads_RHD[:, -2 * num_keys :]
            keys, values = keys_values[:, :, : self.length].chunk(2, 1)
            seen = F.scaled_dot_product_attention(
                query_RH1D, keys, values, mask_R11T, scale=scale, enable_gqa=query_RH1D.shape[1] > num_keys
            )
            states_RH = torch.addmm(states_RH, seen.reshape(len(token_R), -1), out)
            gate, wide = F.linear(F.rms_norm(states_RH, shape, None, second_eps), up).chunk(2, -1)
            states_RH = torch.addmm(states_RH, F.silu(gate).mul_(wide), down)
        self.logits_RV = F.linear(F.rms_norm(states_RH, shape, None, base.norm.variance_epsilon), self.head)


def _weights(layer: Any, pairs_D: torch.Tensor) -> tuple[Any, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)

    def paired(of: str) -> torch.Tensor:
        q, k, v = (getattr(one, of).detach().unflatten(0, (-1, len(pairs_D))) for one in projections)
        return torch.cat([q[:, pairs_D], k[:, pairs_D], v]).flatten(0, 1)

    return (
        paired("weight") * layer.input_layernorm.weight,
        None if projections[0].bias is None else paired("bias"),
        attention.o_proj.weight.t(),
        torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight,
        mlp.down_proj.weight.t(),
        layer.input_layernorm.variance_epsilon,
        layer.post_attention_layernorm.variance_epsilon,
        attention.scaling,
    )


def _pairs(size: int) -> torch.Tensor:
    """Places in a head of which the two that a position turns together follow each other."""
    return torch.arange(size).view(2, -1).t().flatten()
