"""An adapter (PEFT's) as a model's folder: merged once with its base, which must be here, and kept under the cache of Hugging
Face. What is scored, sampled and trained are whole weights."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ufo_rl.config.folder_facts import local
from ufo_rl.errors import UserError
from ufo_rl.files.keys import digest
from ufo_rl.model.folder import ADAPTER, INDEX, TOKENIZERS, WHOLE, listed, read_object, readable
from ufo_rl.model.made_once import MadeOnce, partial

WEIGHTS = "adapter_model.safetensors"
OF_TOKENIZER = (
    *(*TOKENIZERS, "merges.txt", "chat_template.jinja"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
MERGED = MadeOnce("merged", "merged", __name__, "merge it by PEFT (model.merge_and_unload()) and give the whole model")


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter and no whole model."""
    return (folder / ADAPTER).is_file() and not any(os.path.lexists(folder / name) for name in (WHOLE, INDEX))


def merged(folder: Path, called: str) -> Path:
    """The folder with the model that base and adapter are together, made where it is not there yet. UserError says what is
    wrong. The same files by place, size and time have the same folder."""
    if not (folder / WEIGHTS).is_file() and any(folder.glob("adapter_model.bin")):
        raise UserError(
            f"{called}: pickled adapters (adapter_model.bin) are not loaded: they can run code; save it again by PEFT"
        )
    readable(folder / WEIGHTS, called) if os.path.lexists(folder / WEIGHTS) else _refuse(f"{called} has no {WEIGHTS}")
    base = base_of(folder, called)
    if is_adapter(base):
        base = merged(base, f"{called}, its base {base}")
    stamps = [
        (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
        for where in (folder, base)
        for path in sorted(where.iterdir())
        if path.is_file()
        for stat in [path.stat()]
    ]
    name = f"{folder.resolve().name}-{digest(stamps, 12)}"
    if find_spec("peft") is None and not MERGED.is_there(name):
        raise UserError(f"{called} is an adapter, which PEFT merges; pip install 'ufo-rl[lora]'")
    return MERGED.folder(name, [str(folder), str(base)], called)


def _refuse(words: str) -> None:
    raise UserError(f"{words}; save the adapter there by PEFT's save_pretrained")


def base_of(folder: Path, called: str) -> Path:
    """The folder of the adapter's base: on this disk, or in the cache of the hub."""
    base = read_object(folder / ADAPTER, called).get("base_model_name_or_path")
    cure = f"write the folder of its base as base_model_name_or_path into {ADAPTER}"
    if not isinstance(base, str) or not base:
        raise UserError(f"{called}: {ADAPTER} names no base model; {cure}")
    for path in (local(base), folder / base):
        if path.is_dir():
            return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(base, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{called} is an adapter of {base}, which is not on this machine; fetch that (hf download {base}), or {cure}"
        ) from error


def lowest_base(folder: Path, called: str) -> Path:
    """Of an adapter, whose base may be one itself: the whole model below."""
    base = base_of(folder, called)
    return lowest_base(base, called) if is_adapter(base) else base


def merge(folder: Path, base: Path, target: Path) -> None:
    """Writes the folder beside its place and renames it. The tokenizer is the adapter's where it has one."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    options = {"trust_remote_code": False, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", **options)
    adapted = PeftModel.from_pretrained(model, str(folder))
    refuse_partial(adapted, folder)
    whole = adapted.merge_and_unload(safe_merge=True)
    has_own = any((folder / name).is_file() for name in TOKENIZERS)
    made = partial(target)
    shutil.rmtree(made, ignore_errors=True)
    whole.save_pretrained(made)
    for path in (folder if has_own else base).iterdir():  # as they are: a library that reads them may write others
        if path.name in OF_TOKENIZER:
            shutil.copy(path, made)
    os.replace(made, target)


def refuse_partial(adapted: Any, folder: Path) -> None:
    """ValueError names tensors that the adapter's configuration asks for and its file lacks, and those that it would leave
    out: PEFT fills in or passes over both."""
    from peft import get_peft_model_state_dict

    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        there = set(file.keys())
    asked = set(get_peft_model_state_dict(adapted))
    for names, words in ((asked - there, "lacks"), (there - asked, "holds more than its configuration asks for:")):
        if names:
            raise ValueError(f"{WEIGHTS} {words} {listed(sorted(names))}")


def main() -> None:
    """The process of `merged`: adapter, base and folder are its arguments."""
    try:
        merge(*map(Path, sys.argv[1:4]))
    except ValueError as error:
        sys.exit(" ".join(str(error).split()))
