"""The labs' models with heads that vLLM's attention on CPUs knows: their 24 or 32 times three is not always among them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WIDE = 32


def widen(source: Path, target: Path) -> Path:
    """The same function with a hidden size of 4 x 32: zeros beside the old numbers, and what depends on sizes adjusted.

    Pair j of d/2 rotates by theta^(-2j/d): with theta' = theta^(32/d) the first pairs of 32 rotate as those of d did.
    Scores are divided by sqrt(32) instead of sqrt(d), and norms average over more numbers: their weights say so.
    """
    shutil.copytree(source, target)
    config = json.loads((source / "config.json").read_text())
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    old, share = hidden // heads, hidden // heads / WIDE
    assert config["num_key_value_heads"] == heads
    place = [*range(old // 2), *range(WIDE // 2, WIDE // 2 + old // 2)]  # halves stay halves
    spread = torch.tensor([head * WIDE + i for head in range(heads) for i in place])
    front = torch.arange(hidden)

    def put(tensor: torch.Tensor, dim: int, index: torch.Tensor) -> torch.Tensor:
        shape = list(tensor.shape)
        shape[dim] = heads * WIDE
        return torch.zeros(shape).index_copy_(dim, index, tensor)

    weights = load_file(source / "model.safetensors")
    for name, tensor in weights.items():
        if any(part in name for part in ("q_proj", "k_proj", "v_proj")):
            made = put(tensor * (share**-0.5 if "q_proj" in name else 1.0), 0, spread)
            weights[name] = put(made, 1, front) if made.dim() == 2 else made
        elif "o_proj" in name:
            weights[name] = put(put(tensor, 0, front), 1, spread)
        elif "down_proj" in name:
            weights[name] = put(tensor, 0, front)
        elif "norm" in name:
            weights[name] = put(tensor * share**0.5, 0, front)
        else:  # embedding, head, gate and up
            weights[name] = put(tensor, 1, front)
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    parameters = config["rope_parameters"]
    config |= {"hidden_size": heads * WIDE, "rms_norm_eps": config["rms_norm_eps"] * share}
    config["rope_parameters"] = {**parameters, "rope_theta": parameters["rope_theta"] ** (1 / share)}
    (target / "config.json").write_text(json.dumps(config))
    return target
