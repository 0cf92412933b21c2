"""Causal models that are whole: loaded only where the folder has every tensor, in the right shape, as numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel

from ufo_rl.errors import Problems, UserError
from ufo_rl.model.folder import AGAIN, FITTING, listed, weight_files

# Buffers that older versions of transformers wrote: masks and tables that are computed anew.
OF_OLD_VERSIONS = re.compile(r"\.(masked_bias|attn\.bias|attention\.bias|rotary_emb\.inv_freq|position_ids)$")
# A layer, or the embedding: what does nothing where all of it is zero. Single matrices of a sound model may be.
PART = re.compile(r"(.*?\.\d+)\.|((?:.*\.)?(?:embed_tokens|wte|word_embeddings|embed_in)\.weight$)")


def load_whole(folder: Path, called: str, **options: Any) -> PreTrainedModel:
    """The causal LM in a folder. UserError where transformers would make up or leave out weights, with their names: it
    only logs that. Tied heads are none of these.

    options: more of from_pretrained's own.
    """
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told with all the others below
        trust_remote_code=False,
        local_files_only=True,
        **options,
    )
    model, info = loaded
    problems = Problems()
    kind, missing = type(model).__name__, sorted(info["missing_keys"], key=_natural)
    mismatched = sorted(info["mismatched_keys"], key=lambda one: _natural(one[0]))
    if missing:
        problems.add(
            f"{called} lacks {_tensors(len(missing))} that {kind} needs: {listed(missing)}; they would be random numbers: "
            f"download or copy the folder again, or {FITTING}"
        )
    if mismatched:
        words = [f"{name} is {_shape(is_)}, must be {_shape(must)}" for name, is_, must in mismatched]
        problems.add(
            f"{called}: {_tensors(len(words))} of another shape than config.json says: {listed(words)}; {FITTING}"
        )
    left_out = _left_out(model, sorted(info["unexpected_keys"], key=_natural))
    if left_out:
        problems.add(
            f"{called} holds {_tensors(len(left_out))} that {kind} would leave out: {listed(left_out)}; {FITTING}"
        )
    problems.add(*(f"{called} cannot be loaded: {one}" for one in map(str, info.get("error_msgs") or ())))
    problems.raise_any()
    return model


def refuse_not_finite(model: PreTrainedModel, called: str) -> None:
    """UserError names the weights that hold nan or inf: whatever such a model says means nothing."""
    bad = [name for name, weight in model.named_parameters() if weight.numel() and not _is_finite(weight)]
    if bad:
        raise UserError(_not_finite(called, bad))


def _is_finite(tensor: torch.Tensor) -> bool:
    low, high = torch.aminmax(tensor.detach())  # in one pass, without a second tensor of that size
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _not_finite(called: str, names: list[str]) -> str:
    hold = "holds" if len(names) == 1 else "hold"
    return (
        f"{called}: {_tensors(len(names))} of its weights {hold} nan or inf: {listed(names)}; take a sound copy (a training "
        "that diverged leaves such weights, and so does float16 where bfloat16 is meant)"
    )


def check_numbers(folder: Path, called: str) -> None:
    """`refuse_not_finite` of the files, one tensor in memory at a time: for a model that nobody here holds. A part whose
    matrices are all zero is told too: so are files that were laid out whole and never filled."""
    bad: list[str] = []
    is_empty: dict[str, bool] = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            names = (name for name in file.keys() if not OF_OLD_VERSIONS.search(name))  # noqa: SIM118
            for name, one in ((name, file.get_tensor(name)) for name in names):
                if not (one.is_floating_point() and one.numel()):
                    continue
                low, high = torch.aminmax(one)
                if not torch.isfinite(low) & torch.isfinite(high):
                    bad.append(name)
                if one.dim() == 2 and (part := PART.match(name)):
                    key = part[1] or part[2]
                    is_empty[key] = is_empty.get(key, True) and not low and not high
    problems, empty = Problems(), [name for name, is_zero in is_empty.items() if is_zero]
    if bad:
        problems.add(_not_finite(called, bad))
    if empty:
        problems.add(
            f"{called}: all matrices of {listed(empty)} hold zeros alone, as files do that were never filled; {AGAIN}"
        )
    problems.raise_any()


def _left_out(model: PreTrainedModel, unexpected: list[str]) -> list[str]:
    """Those of the tensors that belong to the model's own parts: more layers, biases, adapters beside its matrices.

    What belongs to other parts (a value head, an image encoder, layers that predict more tokens ahead) and what is computed
    anew (buffers) may be left out.
    """
    if not unexpected:
        return []
    prefix = f"{model.base_model_prefix}."
    modules = {_pattern(name, prefix) for name, _ in model.named_modules() if name}
    buffers = {_pattern(name, prefix) for name, _ in model.named_buffers()}
    config = model.config.get_text_config()
    layers = getattr(config, "num_hidden_layers", None) or 0
    ahead = range(layers, layers + (getattr(config, "num_nextn_predict_layers", None) or 0))
    ours = []
    for name in unexpected:
        pattern = _pattern(name, prefix)
        parent = pattern.rpartition(".")[0]
        place = re.search(r"\blayers\.(\d+)\.", name)
        is_ahead = place is not None and int(place[1]) in ahead
        grandparent = parent.rpartition(".")[0]
        is_own = parent in modules or (("lora_" in name or "adapter" in name) and grandparent in modules)
        if is_own and not is_ahead and pattern not in buffers and not OF_OLD_VERSIONS.search(name):
            ours.append(name)
    return ours


def _pattern(name: str, prefix: str) -> str:
    """A name without its numbers, from below the base model's prefix: model.layers.3.mlp -> layers.#.mlp."""
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "#", name.removeprefix(prefix))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _tensors(count: int) -> str:
    return "a tensor" if count == 1 else f"{count} tensors"


def _shape(size: Any) -> str:
    return "x".join(map(str, size)) or "a single number"
