"""What can be known of a model by its path alone: a name, and what its folder says of itself. Needs no torch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from omegaconf import OmegaConf

from ufo_rl.config.folder import conf_folder
from ufo_rl.config.schema import Dtype
from ufo_rl.files.keys import digest

RECORD = "ufo_rl.json"  # beside a trained policy: how it was asked in training
PACKAGED = "package:"
GGUF = ".gguf"  # of a file whose blocks become float32
MAX_NAME = 64  # characters; the names of folders are made of it
MAX_TOKENS = 1024  # of a completion, as the paper has it
STEP = re.compile(r"(?:checkpoint|global_step|step|epoch)[-_]?\d+")
COMMIT = re.compile(r"[0-9a-f]{40}")


def word_of(text: str) -> str:
    """The text as one word that can name a folder: letters, digits, ".", "-" and "_" of ASCII, at most 64 characters;
    "" where nothing is left."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
    return word if len(word) <= MAX_NAME else f"{word[: MAX_NAME - 9]}-{digest(word, 8)}"


def name_of(path: str) -> str:
    """A model's own name: the last part of its path, of a policy of ours its run's. Never that of an option in model/."""
    parts = [part for part in os.path.abspath(os.path.expanduser(path.removeprefix(PACKAGED))).split("/") if part]
    if parts[-2:] in (["train", "policy"], ["train", "adapter"]):
        parts = parts[:-2]
    elif parts[-2:-1] == ["snapshots"] and COMMIT.fullmatch(parts[-1]):  # of the hub's cache
        parts = [*parts[:-3], parts[-3].removeprefix("models--").rpartition("--")[2]]
    parts[-1:] = [part[: -len(GGUF)] if part.lower().endswith(GGUF) else part for part in parts[-1:]]
    last = "-".join(parts[-2:]) if STEP.fullmatch(parts[-1] if parts else "") else (parts or [""])[-1]
    word = word_of(last) or "custom"
    options = {file.stem.lower() for file in (conf_folder() / "model").glob("*.yaml")}
    return f"custom-{word}" if word.lower() in options - {"custom"} else word


def local(path: str) -> Path:
    """Where a path of model.path leads, be there a folder or not."""
    if path.startswith(PACKAGED):
        return Path(__file__).resolve().parents[1] / path.removeprefix(PACKAGED)
    return Path(path).expanduser()


def record_of(path: str) -> dict[str, Any]:
    """How a policy of ours was trained: its nodes `model` and `template`, and `train`, a name; {} for any other model."""
    found = _object(local(path) / RECORD) or _run_of(local(path))
    sound = isinstance(found.get("model"), Mapping) and isinstance(found.get("template"), Mapping)
    return found if sound and isinstance(found.get("train"), str) else {}


def _run_of(folder: Path) -> dict[str, Any]:
    """The same from the run around a policy that has no record: those of earlier versions."""
    file = folder.absolute().parents[1] / "config.yaml" if folder.parts[-2:] == ("train", "policy") else None
    if file is None or not file.is_file():
        return {}
    found: Any = OmegaConf.to_container(OmegaConf.load(file))
    return {**found, "train": found["train"]["name"]} if {"model", "template", "train"} <= set(found) else {}


def config_of(path: str) -> dict[str, Any]:
    """config.json of a model's folder, of its text part where it has several, of an adapter its base's; {} where it cannot be
    read (a hub id)."""
    found = _object(local(path) / "config.json")
    base = {} if found else _object(local(path) / "adapter_config.json")
    if isinstance(base.get("base_model_name_or_path"), str):
        return config_of(base["base_model_name_or_path"])
    text = found.get("text_config")
    return {**found, **text} if isinstance(text, Mapping) else found


def dtype_of(path: str) -> str:
    """The precision that a policy of ours was measured in; of another folder its own, of a GGUF file float32; else bfloat16."""
    if path.lower().endswith(GGUF) and local(path).is_file():
        return "float32"
    config, record = config_of(path), record_of(path)
    found = str(record["model"].get("dtype") if record else config.get("dtype") or config.get("torch_dtype"))
    return found if found in get_args(Dtype) else "bfloat16"


def tokens_of(path: str) -> int:
    """The longest completion: of a policy of ours as in its training, else 1024, or half of the positions that there are."""
    if record := record_of(path):
        return record["model"].get("max_completion_tokens", MAX_TOKENS)
    positions = positions_of(path)
    return MAX_TOKENS if positions is None else min(MAX_TOKENS, max(1, positions // 2))


def positions_of(path: str) -> int | None:
    """How many positions the folder's config.json gives, by the names that it has in transformers; None where it does not."""
    config = config_of(path)
    given = (config.get(name) for name in ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"))
    return next((one for one in given if isinstance(one, int) and not isinstance(one, bool)), None)


def _object(file: Path) -> dict[str, Any]:
    """A JSON object; {} where there is none: what is wrong with a model's files is told by those who load them."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


for name, function in (("name", name_of), ("dtype", dtype_of), ("tokens", tokens_of)):
    # ${model_name:...} of model/custom.yaml; what is no text is told with the other values
    OmegaConf.register_new_resolver(f"model_{name}", lambda path, of=function: of(str(path)), replace=True)
