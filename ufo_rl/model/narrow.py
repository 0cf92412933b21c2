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
KEPT = 0.75  # rows leave when no more than this share of those computed is alive: leaving copies the cache


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
        token_B = torch.multinomial(scores_BV.softmax(-1), 1)[:, 0] if config.do_sample else scores_BV.argmax(-1)
        if pad is not None:
            token_B = torch.where(has_ended_B, pad, token_B)
        ids_BT = torch.cat([ids_BT, token_B[:, None]], 1)
        has_ended_B |= stopping_criteria(ids_BT, scores_BV)  # pyright: ignore[reportArgumentType]
        if has_ended_B.all():
            break
        is_alive_R = ~has_ended_B[live_R]
        if int(is_alive_R.sum()) <= KEPT * len(live_R):
            places_R = is_alive_R.nonzero()[:, 0]
            live_R = live_R[places_R]
            rows.keep(places_R)
        rows.read(token_B[live_R])
    if not config.return_dict_in_generate:
        return ids_BT
    return GenerateDecoderOnlyOutput(sequences=ids_BT, logits=tuple(kept) or None)  # pyright: ignore[reportArgumentType]


class Rows:
    """Rows of tokens that the model has read: `logits_RV` of what comes next, keys and values by layer (R, heads, T, size).

    The weights are those of now: layers' projections that read the same input are put side by side.
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
        self.keys_values = [(layer.keys[place_B], layer.values[place_B]) for layer in cache.layers]
        hidden_mask = torch.zeros(mask_BT.shape).masked_fill(mask_BT == 0, torch.finfo(torch.float32).min)
        room = max(max_length - ids_BT.shape[1], 0)
        self.mask_R11T, self.length = F.pad(hidden_mask, (0, room))[:, None, None], ids_BT.shape[1]
        self.position_R = mask_BT.sum(1)
        steps_1T = torch.arange(max(max_length, ids_BT.shape[1]))[None]
        self.cos_TD, self.sin_TD = (one[0] for one in base.rotary_emb(self.logits_RV, steps_1T))
        self.layers = [_weights(layer) for layer in base.layers]

    def keep(self, places_R: torch.Tensor) -> None:
        self.keys_values = [(keys[places_R], values[places_R]) for keys, values in self.keys_values]
        self.mask_R11T, self.position_R = self.mask_R11T[places_R], self.position_R[places_R]

    def read(self, token_R: torch.Tensor) -> None:
        """One more token each. `addmm` adds a product to the states in one call."""
        base, norm = self.model.model, self.model.model.norm
        self.length += 1
        mask_R11T = self.mask_R11T[..., : self.length]
        cos_R11D, sin_R11D = (one[self.position_R][:, None, None] for one in (self.cos_TD, self.sin_TD))
        self.position_R = self.position_R + 1
        states_RH = F.embedding(token_R, base.embed_tokens.weight)
        shape, size = states_RH.shape[-1:], cos_R11D.shape[-1]
        for i, (first, qkv, bias, out, second, up, down, eps, scale) in enumerate(self.layers):
            projected = F.linear(F.rms_norm(states_RH, shape, first, eps), qkv, bias).view(len(token_R), -1, 1, size)
            keys, values = self.keys_values[i]
            num_keys = keys.shape[1]
            turned, value = projected.split((projected.shape[1] - num_keys, num_keys), 1)
            turned = torch.addcmul(turned * cos_R11D, _turned(turned), sin_R11D)
            query, key = turned.split((turned.shape[1] - num_keys, num_keys), 1)
            self.keys_values[i] = keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
            seen = F.scaled_dot_product_attention(
                query, keys, values, mask_R11T, scale=scale, enable_gqa=query.shape[1] > num_keys
            )
            states_RH = torch.addmm(states_RH, seen.reshape(len(token_R), -1), out)
            gate, wide = F.linear(F.rms_norm(states_RH, shape, second, eps), up).chunk(2, -1)
            states_RH = torch.addmm(states_RH, F.silu(gate).mul_(wide), down)
        normed_RH = F.rms_norm(states_RH, shape, norm.weight, norm.variance_epsilon)
        self.logits_RV = F.linear(normed_RH, self.model.lm_head.weight)


def _weights(layer: Any) -> tuple[Any, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    return (
        layer.input_layernorm.weight,
        torch.cat([one.weight for one in projections]),
        None if projections[0].bias is None else torch.cat([one.bias for one in projections]),
        attention.o_proj.weight.t(),
        layer.post_attention_layernorm.weight,
        torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        mlp.down_proj.weight.t(),
        layer.input_layernorm.variance_epsilon,
        attention.scaling,
    )


def _turned(x: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)
