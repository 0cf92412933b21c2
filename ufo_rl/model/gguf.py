"""A GGUF file as a model's folder: dequantised once to float32 in safetensors, by transformers, with the tokenizer that the
file holds; kept under the cache of Hugging Face.

A GGUF file carries its weights in blocks of few bits. They can be neither trained nor scored in that form; what is scored and
trained here are the numbers that the blocks stand for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock
from huggingface_hub import constants

from ufo_rl.errors import UserError
from ufo_rl.files.keys import digest

MAGIC = b"GGUF"
CURE = "set HF_HOME to a folder that can be written and has room for four bytes a weight"


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
    folder = Path(constants.HF_HOME) / "ufo-rl" / "gguf" / name
    if folder.is_dir():
        return folder
    if find_spec("gguf") is None:
        raise UserError(f"{called}: GGUF files are read by the package gguf; pip install gguf")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{name}.lock")):
            if not folder.is_dir():
                sys.stderr.write(f"ufo-rl: {called}: unpacking to {folder} (once) ...\n")
                _unpack_apart(real, folder, called)
    except OSError as error:
        raise UserError(f"{called} cannot be unpacked to {folder} ({error.strerror}); {CURE}") from error
    return folder


def _unpack_apart(path: Path, folder: Path, called: str) -> None:
    words = [sys.executable, "-P", "-c", f"from {__name__} import main; main()", str(path), str(folder)]
    package = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH", "")]), package])
    try:
        done = subprocess.run(
            words, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False
        )
    finally:  # also of an interrupt: it is as large as the model
        shutil.rmtree(_partial(folder), ignore_errors=True)
    if done.returncode < 0:
        raise UserError(
            f"{called} cannot be unpacked: signal {-done.returncode} ended it, as where memory runs out; {CURE}"
        )
    if done.returncode:
        reason = next(
            (line for line in reversed(done.stderr.splitlines()) if line.strip() and "%|" not in line), "unknown"
        )
        raise UserError(
            f"{called} cannot be unpacked: {reason}; take another file or the model's own folder, or {CURE}"
        )


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.partial")


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
    partial = _partial(folder)
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(**given).save_pretrained(partial)
    os.replace(partial, folder)


def main() -> None:
    """The process of `unpacked`: file and folder are its two arguments."""
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
