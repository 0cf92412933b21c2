"""The layers of a narrow model of Llama's shape with a third of the calls: projections that read the same input are one, the
norm's weights with them, and the two halves of a head that positions turn together are neighbours, in queries and keys alike:
complex numbers, turned by one product."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from ufo_rl.model.few_threads import is_narrow

SHAPES, NORMS = (LlamaForCausalLM, Qwen2ForCausalLM), (LlamaRMSNorm, Qwen2RMSNorm)


def has_calls_to_spare(model: PreTrainedModel) -> bool:
    """Whether these layers compute what the model's do; that they are right is for the caller to try."""
    config: Any = model.config
    if type(model) not in SHAPES or not is_narrow(model) or model.dtype != torch.float32:
        return False
    if model.training and (config.attention_dropout or model.is_gradient_checkpointing):
        return False
    head: Any = model.get_output_embeddings()
    linear = {name: one for name, one in model.named_modules() if name.endswith("_proj")} | {"": head}
    with_bias, base = ("q_proj", "k_proj", "v_proj"), cast(Any, model.base_model)
    norms = [one for name, one in base.named_modules() if name.endswith("norm")]
    return (
        not is_deepspeed_zero3_enabled()
        and config.hidden_act == "silu"
        and config.rope_parameters.get("rope_type") == "default"
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and all(type(one) is torch.nn.Linear for one in linear.values())
        and all(one.bias is None for name, one in linear.items() if not name.endswith(with_bias))
        and type(base.embed_tokens) is torch.nn.Embedding
        and all(type(one) in NORMS for one in norms)
        # DeepSpeed's and TRL's own, on the whole model, are of its forward pass
        and not any(_is_changed(one) for one in list(model.modules())[1:])
        and not torch.nn.modules.module._has_any_global_hook()
    )


def _is_changed(module: torch.nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or "forward" in vars(module)


class Layer(NamedTuple):
    """Weights of now, with their gradients where autograd is on. Tokens lie side by side: states are (N, hidden)."""

    qkv: torch.Tensor  # (queries + keys + values, hidden)
    bias: torch.Tensor | None
    out: torch.Tensor  # (queries, hidden)
    up: torch.Tensor  # (gate + up, hidden)
    down: torch.Tensor  # (inner, hidden)
    first_eps: float
    second_eps: float
    scale: float
    num_keys: int
    size: int

    def heads(self, states_NH: torch.Tensor, turn_N1C: torch.Tensor) -> torch.Tensor:
        """Queries, keys, both turned, and values (N, heads of all, size); turned in place where no gradient needs them."""
        normed = F.rms_norm(states_NH, states_NH.shape[1:], None, self.first_eps)
        heads = F.linear(normed, self.qkv, self.bias).view(-1, len(self.qkv) // self.size, self.size)
        if not torch.is_grad_enabled():
            _complex(heads[:, : -self.num_keys]).mul_(turn_N1C)
            return heads
        turning, values = heads.split((heads.shape[1] - self.num_keys, self.num_keys), 1)
        return torch.cat([torch.view_as_real(_complex(turning) * turn_N1C).flatten(-2), values], 1)

    def after(self, states_NH: torch.Tensor, seen_NH: torch.Tensor) -> torch.Tensor:
        """The states behind the layer. `addmm` adds a product to them in one call."""
        states_NH = torch.addmm(states_NH, seen_NH, self.out)
        normed = F.rms_norm(states_NH, states_NH.shape[1:], None, self.second_eps)
        gate, wide = F.linear(normed, self.up).chunk(2, -1)
        return torch.addmm(states_NH, F.silu(gate) * wide, self.down)


def _complex(heads: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(heads.unflatten(-1, (-1, 2)))


def layers_of(model: Any) -> list[Layer]:
    return [_layer(layer) for layer in model.model.layers]


def _layer(layer: Any) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    projections, size = (attention.q_proj, attention.k_proj, attention.v_proj), attention.head_dim
    place_D = pairs(size)

    def paired(of: str) -> torch.Tensor:
        q, k, v = (getattr(one, of).unflatten(0, (-1, size)) for one in projections)
        return torch.cat([q[:, place_D], k[:, place_D], v]).flatten(0, 1)

    return Layer(
        paired("weight") * layer.input_layernorm.weight,
        None if projections[0].bias is None else paired("bias"),
        attention.o_proj.weight.t(),
        torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight,
        mlp.down_proj.weight.t(),
        layer.input_layernorm.variance_epsilon,
        layer.post_attention_layernorm.variance_epsilon,
        attention.scaling,
        attention.k_proj.out_features // size,
        size,
    )


def pairs(size: int) -> torch.Tensor:
    """Places in a head of which the two that a position turns together follow each other."""
    return torch.arange(size).view(2, -1).t().flatten()


def turns(model: Any, num_positions: int) -> torch.Tensor:
    """By which complex numbers positions turn heads (positions, size / 2)."""
    base = model.model
    cos_TD, sin_TD = (one[0] for one in base.rotary_emb(base.norm.weight, torch.arange(num_positions)[None]))
    half = cos_TD.shape[1] // 2
    return torch.complex(cos_TD[:, :half].contiguous(), sin_TD[:, :half].contiguous())


def attention(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, scale: float
) -> torch.Tensor:
    """(R, heads, T, size); mask: added to the scores (R, 1, T, keys)."""
    is_grouped = query.shape[1] > keys.shape[1]
    return F.scaled_dot_product_attention(query, keys, values, mask, scale=scale, enable_gqa=is_grouped)
