"""Faster arithmetic for float32 on x86 CPUs: oneDNN's packed matrices with fused activations, in place of plain layers.

The operators are those that PyTorch's own compiler emits. Every replacement is compared with the layer that it replaces
on random input, and left out where they differ; the numbers agree to float32 rounding.
"""

from __future__ import annotations

import logging
import os
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn.functional import rms_norm, silu
from transformers import PreTrainedModel

log = logging.getLogger(__name__)
MIN_WEIGHTS = 2**12  # smaller matrices cost more to call than to multiply
TOLERANCE = 1e-5  # relative
Replaced: TypeAlias = tuple[nn.Module, str, nn.Module]  # the parent, its name for a child, and that child
# A kernel is compiled for every shape of a batch. PyTorch and oneDNN keep 1,024 each unless told otherwise before the
# first: 200 MiB after some thousand batches. One batch needs fewer than ten.
for _name in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    os.environ.setdefault(_name, "64")


def pack(model: PreTrainedModel) -> list[Replaced]:
    """Replace the layers of the model's body where that is faster and equal; the model can only be run afterwards, not
    trained or saved. Returns what was replaced: while that is kept, both are in memory."""
    if not can_pack(model):
        return []
    replaced: list[Replaced] = []
    gone: set[nn.Module] = set()
    num_left = 0
    for parent in list(model.base_model.modules()):
        for name, child in list(parent.named_children()) if parent not in gone else ():
            faster = _faster(child)
            if faster is None:
                continue
            if not _is_equal(child, faster):
                num_left += 1
                continue
            setattr(parent, name, faster)
            replaced.append((parent, name, child))
            gone.update(child.modules())
    log.info("packed %d layers, %d left as they are", len(replaced), num_left)
    return replaced


def unpack(replaced: list[Replaced]) -> None:
    """Put back what `pack` replaced, and forget it."""
    for parent, name, child in reversed(replaced):
        setattr(parent, name, child)
    replaced.clear()


def can_pack(model: PreTrainedModel) -> bool:
    is_there = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return is_there and model.device.type == "cpu" and model.dtype == torch.float32


def _faster(module: nn.Module) -> nn.Module | None:
    if type(module) is nn.Linear and module.weight.numel() >= MIN_WEIGHTS:
        return PackedLinear(module)
    if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
        return FusedRMSNorm(module)
    parts = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    if all(type(part) is nn.Linear and part.weight.numel() >= MIN_WEIGHTS for part in parts) and _has_silu(module):
        return PackedGatedMLP(module)
    return None


def _has_silu(mlp: Any) -> bool:
    """Whether the gate's activation is SiLU, by what it does: transformers has several classes for one function."""
    act, x = getattr(mlp, "act_fn", None), torch.linspace(-4, 4, 9)
    return callable(act) and torch.allclose(torch.as_tensor(act(x)), silu(x), atol=1e-6)


@torch.inference_mode()
def _is_equal(plain: nn.Module, faster: nn.Module) -> bool:
    width = next(p.shape[-1] for p in plain.parameters())
    x = torch.randn(2, 3, width, generator=torch.Generator().manual_seed(0))
    try:
        expected, got = plain(x), faster(x)
    except Exception:  # it wants other arguments: the names alone were alike
        return False
    return bool((got - expected).norm() <= TOLERANCE * expected.norm())


def _packed(linear: Any) -> torch.Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())


class PackedLinear(nn.Module):
    def __init__(self, linear: Any) -> None:
        super().__init__()
        self.weight, self.bias = _packed(linear), linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


class PackedGatedMLP(nn.Module):
    """down(silu(gate(x)) * up(x)), the activation and the product inside the matrix products."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.gate, self.up, self.down = (_packed(part) for part in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        self.gate_bias, self.up_bias, self.down_bias = mlp.gate_proj.bias, mlp.up_proj.bias, mlp.down_proj.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        linear = torch.ops.mkldnn._linear_pointwise
        gated = linear(x, self.gate, self.gate_bias, "swish", [], "")
        return linear(linear.binary(x, gated, self.up, self.up_bias, "mul"), self.down, self.down_bias, "none", [], "")


class FusedRMSNorm(nn.Module):
    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self.eps = norm.weight, norm.variance_epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return rms_norm(x, (x.shape[-1],), self.weight, self.eps)
