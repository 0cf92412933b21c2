"""A GGUF file as a model's folder: dequantised once to float32 in safetensors, by transformers, with the tokenizer that the
file holds; kept under the cache of Hugging Face.

A GGUF file carries its weights in blocks of few bits. They can be neither trained nor scored in that form; what is scored and
trained here are the numbers that the blocks stand for.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from ufo_rl.errors import UserError
from ufo_rl.files.keys import digest
from ufo_rl.model.made_once import MadeOnce, partial

MAGIC = b"GGUF"
UNPACKED = MadeOnce("gguf", "unpacked", __name__, "take another file or the model's own folder")


def unpacked(path: Path, called: str) -> Path:
    """The folder with the model of a GGUF file, made where it is not there yet. UserError says what keeps it from being made.

    The same file by place, size and time has the same folder. Needs no torch itself: a process of its own does the work.
    """
    try:
        with path.open("rb") as stream:
            is_one = stream.read(len(MAGIC)) == MAGIC
        real, stat = path.resolve(), path.stat()
    except OSError as error:
        raise UserError(f"{called} cannot be read ({error.strerror})") from error
    if not is_one:
        raise UserError(f"{called} is no GGUF file: it does not begin with {MAGIC.decode()}; download it again")
    name = f"{real.stem}-{digest([str(real), stat.st_size, stat.st_mtime_ns], 12)}"
    if find_spec("gguf") is None and not UNPACKED.is_there(name):
        raise UserError(f"{called}: GGUF files are read by the package gguf; pip install gguf")
    return UNPACKED.folder(name, [str(real)], called)


def unpack(path: Path, folder: Path) -> None:
    """Writes the folder beside its place and renames it, so that a half-written one does not exist."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    given = {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name, "trust_remote_code": False}
    loaded = AutoModelForCausalLM.from_pretrained(**given, dtype=torch.float32)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    with torch.device("meta"):  # one that does not remember a quantised file and so can be saved
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = loaded.generation_config
    made = partial(folder)
    shutil.rmtree(made, ignore_errors=True)
    model.save_pretrained(made)
    AutoTokenizer.from_pretrained(**given).save_pretrained(made)
    os.replace(made, folder)


def main() -> None:
    """The process of `unpacked`: file and folder are its two arguments."""
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
