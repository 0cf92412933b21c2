"""What a forward pass costs in floating-point operations, and how fast this machine multiplies matrices."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import linear
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from ufo_rl.signals.confidence.packing import can_pack

ROWS = 1024  # of the left matrix: a batch's tokens
REPEATS = 5


def weights(model: PreTrainedModel) -> tuple[int, int]:
    """Weights that every computed token meets (without embedding and head), and weights of the head. Before packing."""
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    tables = {id(module.weight): module.weight.numel() for module in (embedding, head) if module is not None}
    body = sum(p.numel() for p in model.parameters()) - sum(tables.values())
    return body, head.weight.numel() if head is not None else 0


def weights_of(folder: Path) -> tuple[int, int]:
    """`weights` of the model in a folder, by its configuration: for an engine that keeps the model to itself."""
    with torch.device("meta"):  # shapes alone
        return weights(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)))


def generation_facts(model: PreTrainedModel) -> dict[str, Any]:
    """What the cost record needs to know of a model that generates, and of the machine."""
    body, head = weights(model)
    return {"body_weights": body, "head_weights": head, "matrix_flops_per_s": matrix_rate(model)}


def matrix_rate(model: PreTrainedModel, rows: int = ROWS) -> float:
    """FLOP per second of a product at the shape of the model's MLP: the best of five, plain and, on CPUs, packed."""
    embedding: Any = model.get_input_embeddings()
    inner = int(embedding.weight.shape[-1])
    out = getattr(model.config.get_text_config(), "intermediate_size", None)
    out = out if isinstance(out, int) and out > 0 else 4 * inner  # it may be a list, of each layer's
    left = torch.randn(rows, inner, dtype=model.dtype, device=model.device)
    right = torch.randn(out, inner, dtype=model.dtype, device=model.device)
    products: list[Callable[[], Any]] = [lambda: linear(left, right)]
    if can_pack(model):
        packed = torch.ops.mkldnn._reorder_linear_weight(right)
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], ""))
    best = 0.0
    with torch.inference_mode():
        for product in products:
            for _ in range(REPEATS + 1):  # the first warms up
                _wait(model.device)
                began = time.perf_counter()
                product()
                _wait(model.device)
                best = max(best, 2.0 * rows * inner * out / (time.perf_counter() - began))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
