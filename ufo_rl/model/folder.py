"""A model's folder as files: is everything there, and is it what its name says? Needs no torch; reads headers alone."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ufo_rl.errors import Problems, UserError, nearest

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIG, ADAPTER = "config.json", "adapter_config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json")
LFS = b"version https://git-lfs.github.com/spec/"
SAVE = "save it there with save_pretrained"
AGAIN = "download or copy it again"
FITTING = f"take the {CONFIG} that belongs to these weights"
FLOATS = ("F64", "F32", "F16", "BF16")
PACKED = ("F8", "F4", "F6", "I4", "U4")  # how quantised tensors begin in safetensors' names of types
FORMATS = {  # weights that are not loaded, and what to do
    "*.gguf": "give a GGUF file by its own name, model.path=FOLDER/NAME.gguf",
    "*.bin": "pickled *.bin files are not loaded: they can run code; save the model again with save_pretrained",
    "*.pt": "pickled *.pt files are not loaded: they can run code; save the model again with save_pretrained",
    "*.pth": "pickled *.pth files are not loaded: they can run code; save the model again with save_pretrained",
    "*.h5": "TensorFlow's weights are not loaded; save the model again with PyTorch's save_pretrained",
    "*.msgpack": "Flax's weights are not loaded; save the model again with PyTorch's save_pretrained",
    "*.npz": "NumPy's weights are not loaded; convert them to *.safetensors in the names of transformers",
    "*.onnx": "ONNX files are not loaded; take the model's own folder of *.safetensors",
}


def check_files(folder: Path, called: str) -> None:
    """UserError with everything that is wrong with the files of a model's folder, each named, with the cure.

    called: how the user named the folder, such as `model.path=FOLDER`.
    """
    stamp = [(path.name, *(stat.st_size, stat.st_mtime_ns)) for path in folder.iterdir() if (stat := _stat(path))]
    _check(folder, called, tuple(sorted(stamp)))


def _stat(path: Path) -> os.stat_result | None:
    return path.stat() if path.exists() else None


@functools.lru_cache(maxsize=64)
def _check(folder: Path, called: str, stamp: tuple[Any, ...]) -> None:
    """`stamp` is what the folder looks like: jobs of a sweep ask again and again."""
    problems = Problems()
    if (folder / ADAPTER).is_file():
        raise UserError(_adapter(folder, called))
    problems.attempt(_check_config, folder, called)
    problems.attempt(_check_weights, folder, called)
    problems.attempt(_check_tokenizer, folder, called)
    for name in SETTINGS:
        if _is_there(folder / name):
            problems.attempt(read_object, folder / name, called)
    problems.raise_any()


def read_object(path: Path, called: str) -> dict[str, Any]:
    """A JSON file that must hold an object. UserError says which file of which folder is broken, and where."""
    try:
        found = json.loads(readable(path, called).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}: {error.msg}"
        raise UserError(f"{called}: {path.name} is no valid JSON ({where}); mend it, or {AGAIN}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{called}: {path.name} is no JSON in UTF-8 ({error}); {AGAIN}") from error
    if not isinstance(found, dict):
        raise UserError(f"{called}: {path.name} holds no JSON object but a {type(found).__name__}; {AGAIN}")
    return found


def readable(path: Path, called: str) -> Path:
    """The file, which must be there, no empty one and no pointer of Git LFS."""
    if path.is_symlink() and not path.exists():
        raise UserError(f"{called}: {path.name} is a link to {path.readlink()}, which is not there; {AGAIN}")
    try:
        with path.open("rb") as stream:
            start = stream.read(len(LFS))
    except OSError as error:
        raise UserError(f"{called}: {path.name} cannot be read ({error.strerror})") from error
    if start == LFS:
        raise UserError(
            f"{called}: {path.name} is a Git LFS pointer, not the file itself; run `git lfs pull` in the folder, or "
            "download it with `hf download`"
        )
    if not start:
        raise UserError(f"{called}: {path.name} is empty; {AGAIN}")
    return path


def _is_there(path: Path) -> bool:
    """Also as a link to nowhere, which is then told."""
    return path.exists() or path.is_symlink()


def _adapter(folder: Path, called: str) -> str:
    base = read_object(folder / ADAPTER, called).get("base_model_name_or_path") or "its base model"
    if not any(_is_there(folder / name) for name in (WHOLE, INDEX)):
        return f"{called} is an adapter of {base}, not a whole model"
    return (
        f"{called} holds a whole model and an adapter ({ADAPTER}) of {base}: which one is meant? Give each "
        "a folder of its own"
    )


def _check_config(folder: Path, called: str) -> None:
    path = folder / CONFIG
    if not _is_there(path):
        raise UserError(f"{called} has no {CONFIG}; save the model there with save_pretrained")
    config = read_object(path, called)
    if not isinstance(config.get("model_type"), str) or not config["model_type"]:
        raise UserError(
            f"{called}: {CONFIG} names no model_type, so nobody knows what the weights are; take the {CONFIG} that "
            "belongs to them"
        )
    if config.get("is_encoder_decoder") is True:
        raise UserError(
            f"{called}: {config['model_type']} is an encoder-decoder; only causal language models (decoders) are scored "
            "and trained"
        )
    if (quantised := config.get("quantization_config")) is not None:
        method = quantised.get("quant_method", "unnamed") if isinstance(quantised, dict) else "unnamed"
        raise UserError(
            f"{called}: its weights are quantised (quantization_config: {method}), which can be neither trained nor scored "
            "exactly; take the model in bfloat16, float16 or float32"
        )


def _check_weights(folder: Path, called: str) -> None:
    """What transformers loads: model.safetensors, or else the files that the index names."""
    if _is_there(folder / WHOLE):
        tensors_of(folder / WHOLE, called)
    elif _is_there(folder / INDEX):
        _check_shards(folder, called)
    else:
        raise UserError(_no_weights(folder, called))


def _no_weights(folder: Path, called: str) -> str:
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    if found:
        return (
            f"{called}: {found[0]}{f' and {len(found) - 1} more' if len(found) > 1 else ''} cannot be loaded without {INDEX}: "
            "download or copy that too, or save the model again with save_pretrained"
        )
    cures = (cure for pattern, cure in FORMATS.items() if any(folder.glob(pattern)))
    return f"{called} has no weights (*.safetensors); {next(cures, 'save them with save_pretrained')}"


def _check_shards(folder: Path, called: str) -> None:
    weight_map = read_object(folder / INDEX, called).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(v, str) for v in weight_map.values()):
        raise UserError(f"{called}: {INDEX} has no weight_map of tensors to files; {AGAIN}")
    problems, shards = Problems(), sorted(set(weight_map.values()))
    for shard in shards:
        path = folder / shard
        if Path(shard).name != shard:
            problems.add(f"{called}: {INDEX} names {shard}, which is no file of this folder; {AGAIN}")
        elif not _is_there(path):
            siblings = [one.name for one in folder.glob("*.safetensors")]
            problems.add(
                f"{called}: {shard}, one of {len(shards)} files that {INDEX} names, is not there"
                f"{nearest(shard, set(siblings) - set(shards))}; download or copy it too"
            )
        elif (held := problems.attempt(tensors_of, path, called)) is not None:
            lacking = [name for name, where in weight_map.items() if where == shard and name not in held]
            if lacking:
                problems.add(f"{called}: {shard} lacks what {INDEX} says it holds: {listed(lacking)}; {AGAIN}")
    problems.raise_any()


def weight_files(folder: Path) -> list[Path]:
    """The files of weights that are loaded, of a folder that was checked."""
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    return [folder / name for name in sorted(set(json.loads((folder / INDEX).read_text())["weight_map"].values()))]


def tensors_of(path: Path, called: str) -> list[str]:
    """The names of the tensors in a file whose header is sound and whose data are all there."""
    try:
        with safe_open(readable(path, called), framework="numpy") as file:
            names = list(file.keys())
            kinds = {name: file.get_slice(name).get_dtype() for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        size = path.stat().st_size
        raise UserError(f"{called}: {path.name} ({size} bytes) is damaged or cut short ({error}); {AGAIN}") from error
    packed = [name for name in names if kinds[name].startswith(PACKED)]
    if packed or not any(kind in FLOATS for kind in kinds.values()):
        what = f"{packed[0]} is {kinds[packed[0]]}" if packed else "it holds no floating-point tensor"
        raise UserError(
            f"{called}: {path.name} holds no weights in float32, bfloat16 or float16 ({what}); quantised models can be "
            "neither trained nor scored exactly"
        )
    return names


def _check_tokenizer(folder: Path, called: str) -> None:
    there = [folder / name for name in TOKENIZERS if _is_there(folder / name)]
    if not there:
        raise UserError(
            f"{called} has no tokenizer ({', '.join(TOKENIZERS)}); {SAVE}: tokenizer.save_pretrained(FOLDER)"
        )
    problems = Problems()
    for path in there:
        check: Callable[[Path, str], Any] = readable if path.suffix == ".model" else read_object
        problems.attempt(check, path, called)
    template = folder / "chat_template.jinja"
    if _is_there(template):
        problems.attempt(_check_text, template, called)
    problems.raise_any()


def _check_text(path: Path, called: str) -> None:
    try:
        readable(path, called).read_text(encoding="utf-8")
    except ValueError as error:
        raise UserError(f"{called}: {path.name} is no text in UTF-8 ({error}); {AGAIN}") from error


def listed(names: list[str]) -> str:
    """The first three of several names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
