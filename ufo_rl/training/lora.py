"""Low-rank adapters (LoRA, arXiv 2106.09685) in the place of all weights: PEFT's, merged beside the base's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ufo_rl.config.training_schema import Lora
from ufo_rl.errors import UserError
from ufo_rl.training.memory.layout import is_meant

BEFORE, WITHIN = "base_model.model.", ".base_layer"  # what PEFT adds to the names of a model's tensors
ONE = "default"  # PEFT's name of the adapter


def lora_config(lora: Lora) -> Any:
    """PEFT's configuration, None where all weights are trained."""
    if lora.rank is None:
        return None
    from peft import LoraConfig

    targets = "all-linear" if lora.targets == ["all-linear"] else list(lora.targets)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]  # it divides it
        lora_dropout=lora.dropout,
        target_modules=targets,
    )


def is_adapted(model: Any) -> bool:
    return hasattr(model, "peft_config")


def own_model(model: Any) -> Any:
    """The causal LM itself, its adapters in it, without PEFT's shell."""
    return model.get_base_model() if is_adapted(model) else model


def check_targets(model: Any, lora: Lora) -> None:
    """UserError where the model has no linear layer of a name, by PEFT's rule: the whole name, or its end behind a dot."""
    if lora.rank is None or lora.targets == ["all-linear"]:
        return
    names = [name for name, one in model.named_modules() if isinstance(one, torch.nn.Linear)]
    unknown = [target for target in lora.targets if not any(is_meant(name, target) for name in names)]
    if unknown:
        kinds = sorted({name.rpartition(".")[2] for name in names})
        raise UserError(
            f"train.lora.targets={lora.targets}: the model has no linear layer {' or '.join(unknown)}; it has "
            f"{', '.join(kinds)}"
        )


def merged_tensors(
    model: Any, gather: Callable[[list[Any]], AbstractContextManager[Any]] = lambda parameters: nullcontext()
) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and tensors of the model that computes what base and adapter together do: W + B A alpha / r, added in float32.

    The weights themselves stay: merging in place and taking back leaves rounding in them, each time. gather: makes the
    parameters of one layer whole, under ZeRO 3; what is yielded is good until the next is asked for.
    """
    for name, tensor in model.named_parameters():
        if model.prefix in name:
            continue
        own, layer, parts = name.removeprefix(BEFORE).replace(WITHIN, ""), None, [tensor]
        if name.endswith(f"{WITHIN}.weight"):
            found = model.get_submodule(name.removesuffix(f"{WITHIN}.weight"))
            if ONE in found.lora_A:
                layer, parts = found, [tensor, found.lora_A[ONE].weight, found.lora_B[ONE].weight]
        with gather(parts):
            whole = tensor.detach()
            if layer is not None:
                whole = (whole.float() + layer.get_delta_weight(ONE).detach().float()).to(whole.dtype)
            yield own, whole


def save_adapted(model: Any, merged: Path, adapter: Path, base: str) -> None:
    """The merged model and the adapter alone, whose base is called `base`. All weights must be gathered."""
    model.peft_config[ONE].base_model_name_or_path = base
    model.save_pretrained(adapter)
    (adapter / "README.md").unlink(missing_ok=True)  # of blanks to fill in
    own_model(model).save_pretrained(merged, state_dict=dict(merged_tensors(model)))
