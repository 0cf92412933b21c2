"""The sizes of a model that memory and arithmetic depend on, known without its weights."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ufo_rl.config.folder_facts import config_of
from ufo_rl.config.schema import Model
from ufo_rl.model.folder import WHOLE, weight_files
from ufo_rl.model.weights import local_folder

KNOWN = Path(__file__).with_name("hub_configs.json")
GATED = ("llama", "mistral", "qwen2", "qwen3")  # whose parameters `Architecture.num_parameters` counts by their sizes
BIASED = ("qwen2",)  # queries, keys and values have biases, whatever config.json says
NORMED = ("qwen3",)  # queries and keys of each head are normed, by weights that heads share


@dataclass(frozen=True)
class Architecture:
    """A decoder of the kind that Llama is: attention with grouped keys and values, and a gated MLP.

    source: where the sizes come from. counted: parameters that were counted in files, None where the sizes give them."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    is_tied: bool
    has_bias: bool
    positions: int | None
    source: str
    counted: int | None = None
    has_head_norms: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], source: str, counted: int | None = None) -> Architecture:
        """From a config.json. KeyError where a size is missing. Where it does not say whether the head is tied,
        those of GATED have one of their own, as their classes of transformers do."""
        hidden, heads, kind = config["hidden_size"], config["num_attention_heads"], config.get("model_type")
        return cls(
            layers=config["num_hidden_layers"],
            hidden=hidden,
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden // heads,
            intermediate=config.get("intermediate_size") or 4 * hidden,
            vocabulary=config["vocab_size"],
            is_tied=bool(config.get("tie_word_embeddings", kind not in GATED)),
            has_bias=kind in BIASED or bool(config.get("attention_bias")),
            positions=config.get("max_position_embeddings"),
            source=source,
            counted=counted,
            has_head_norms=kind in NORMED,
        )

    @property
    def queries(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Width before and behind each linear module of a layer, by the end of its name."""
        hidden, inner = self.hidden, self.intermediate
        return {
            "q_proj": (hidden, self.queries),
            "k_proj": (hidden, self.keys),
            "v_proj": (hidden, self.keys),
            "o_proj": (self.queries, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def modules(self) -> dict[str, tuple[int, int]]:
        """Width before and behind each linear module of all layers, by its whole name."""
        found = {}
        for layer in range(self.layers):
            for name, widths in self.linear.items():
                block = "self_attn" if name in ("q_proj", "k_proj", "v_proj", "o_proj") else "mlp"
                found[f"model.layers.{layer}.{block}.{name}"] = widths
        return found

    @property
    def table(self) -> int:
        """Weights of the embedding, and of the head."""
        return self.vocabulary * self.hidden

    @property
    def num_parameters(self) -> int:
        """Weights, of a tied head once: counted, or vocabulary x hidden x (1 or 2) + layers x (linear modules, two norms,
        biases, norms of heads) + a norm."""
        if self.counted is not None:
            return self.counted
        biases = self.queries + 2 * self.keys if self.has_bias else 0
        layer = sum(before * behind for before, behind in self.linear.values()) + 2 * self.hidden + biases
        layer += 2 * self.head_dim if self.has_head_norms else 0
        return self.table * (1 if self.is_tied else 2) + self.layers * layer + self.hidden

    @property
    def largest(self) -> int:
        """Weights of the largest matrix."""
        return max(self.table, self.hidden * self.intermediate)

    def kv_bytes(self, size: int) -> int:
        """Keys and values of one token in all layers; `size`: bytes of a number."""
        return 2 * self.layers * self.keys * size


def architecture_of(model: Model) -> Architecture | None:
    """Of a model in a folder, of one that the hub's cache holds, or of one that is known; None where nothing tells. Needs no
    network, no weights, no torch. UserError where a folder is broken."""
    folder = local_folder(model, makes=False)
    if folder is not None:
        return _of_folder(folder, f"{model.path}/config.json")
    known = known_configs()
    if model.path in known:
        return Architecture.of(known[model.path], f"{model.path}, config.json on the hub, as shipped")
    cached = cached_file(model, "config.json")
    return None if cached is None else _of_folder(cached.parent, f"{model.path}, in the hub's cache")


@functools.cache
def known_configs() -> dict[str, dict[str, Any]]:
    """What config.json says of public models, by their path on the hub."""
    found = json.loads(KNOWN.read_text(encoding="utf-8"))
    return {path: config for path, config in found.items() if path != "source"}


def cached_file(model: Model, name: str) -> Path | None:
    """A file of a hub model that was downloaded before; None where it is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model.path, name, revision=model.revision)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _of_folder(folder: Path, source: str) -> Architecture | None:
    config = config_of(str(folder))
    counted = None if config.get("model_type") in GATED else _count(folder)
    try:
        return Architecture.of(config, source, counted)
    except KeyError:
        return None


def _count(folder: Path) -> int | None:
    """From the headers of the weights; None where there are none."""
    total = 0
    for path in weight_files(folder) if (folder / WHOLE).is_file() or list(folder.glob("*.index.json")) else ():
        with safe_open(path, framework="numpy") as file:
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in list(file.keys()))
    return total or None
