"""The causal LM and its tokenizer: where they are, what they are (fingerprints), and loading them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ufo_rl.config.folder_facts import GGUF
from ufo_rl.config.schema import Model
from ufo_rl.errors import UserError, in_a_line, nearest
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.files.hub_access import offline_problem, why_refused
from ufo_rl.files.keys import digest, file_sha256
from ufo_rl.model import adapter, gguf
from ufo_rl.model.folder import check_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PACKAGED = "package:"  # model.path of weights that ship inside ufo_rl
WEIGHTS = ("*.safetensors",)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


def packaged(path: str) -> Path:
    return Path(str(files("ufo_rl"))) / path.removeprefix(PACKAGED)


def local_folder(model: Model, makes: bool = True) -> Path | None:
    """The folder of a local model, its files checked; None if `path` is a hub id.

    makes: a GGUF file is unpacked, an adapter merged, once; else the folder of the adapter's base, and None for a file.
    Raises UserError with the cure. Needs no network and no torch.
    """
    path = packaged(model.path) if model.path.startswith(PACKAGED) else Path(model.path).expanduser()
    if path.is_file() and path.suffix.lower() == GGUF:
        if not makes:
            return None
        path = gguf.unpacked(path, named(model))
    if path.is_dir() and adapter.is_adapter(path):
        path = adapter.merged(path, named(model)) if makes else adapter.lowest_base(path, named(model))
    if path.is_file():
        raise UserError(
            f"model.path={model.path} is a file; give the folder with config.json, *.safetensors and tokenizer, or a GGUF file"
        )
    if not path.is_dir():
        looks_local = model.path.startswith((".", "/", "~", PACKAGED)) or model.path.count("/") != 1
        if looks_local:
            siblings = [str(p) for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
            raise UserError(
                f"model.path={model.path} is no folder{nearest(str(path), siblings)}; "
                "give a folder with config.json and *.safetensors, or a hub id such as Qwen/Qwen2.5-0.5B-Instruct"
            )
        return None
    check_files(path, named(model))
    return path


def called(model: Model) -> str:
    """How an adapter of the model names it, wherever it is read: the folder's whole path, else what the configuration says."""
    path = Path(model.path).expanduser()
    return str(path.absolute()) if path.exists() and not model.path.startswith(PACKAGED) else model.path


def named(model: Model) -> str:
    """How messages call the model: by the key and the value that the user gave."""
    return f"model.path={model.path}"


def fetch(model: Model) -> Path:
    """The folder of the model, downloaded from the hub first if it is no local one. Called by the parent only."""
    folder = local_folder(model)
    if folder is not None:
        return folder
    problem = offline_problem()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = Path(
            snapshot_download(
                model.path,
                revision=model.revision,
                allow_patterns=["*.json", "*.jinja", "*.safetensors", "*.model", "merges.txt"],
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = why_refused(error) if isinstance(error, HFValidationError) or not problem else problem
        raise UserError(
            f"model.path={model.path} (revision {model.revision}) cannot be fetched from the hub: {reason}; "
            "check the name, your access (hf auth login) and the network, or give a local folder"
        ) from error
    if adapter.is_adapter(found):
        found = adapter.merged(found, named(model))
    check_files(found, named(model))
    return found


def fingerprint(folder: Path, memo: Path) -> dict[str, str]:
    """What the model is, by content: hashes of weights + architecture, of tokenizer + chat template, and of the
    generation settings (its end tokens).

    Hashing gigabytes takes seconds, so the hash of a file is remembered in `memo` by its path, size and time.
    """
    known: dict[str, str] = read_json(memo) if memo.is_file() else {}

    def sha(path: Path) -> str:
        real = path.resolve()
        stat = real.stat()
        key = f"{real}:{stat.st_size}:{stat.st_mtime_ns}"
        if key not in known:
            known[key] = file_sha256(real)
        return known[key]

    weights = {p.name: sha(p) for pattern in (*WEIGHTS, "config.json") for p in sorted(folder.glob(pattern))}
    tokenizer = {name: sha(folder / name) for name in TOKENIZER_FILES if (folder / name).is_file()}
    generation = [sha(path) for path in (folder / "generation_config.json",) if path.is_file()]
    write_json(memo, known)
    return {"weights": digest(weights), "tokenizer": digest(tokenizer), "generation": digest(generation)}


def load_tokenizer(folder: Path, chat_template: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer with left padding, a pad token and an end token. UserError where it has not both, or cannot be loaded.

    chat_template: the text of one that stands in place of its own; of several of its own the default is taken.
    """
    try:
        tokenizer = _tokenizer_class(folder).from_pretrained(folder, padding_side="left", trust_remote_code=False)
    except UserError:
        raise
    except Exception as error:  # the library's own, of any kind
        raise UserError(
            f"the tokenizer in {folder} cannot be loaded ({in_a_line(error)}); take the files that belong to it"
        ) from error
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    elif isinstance(tokenizer.chat_template, dict):
        tokenizer.chat_template = tokenizer.chat_template.get("default", tokenizer.chat_template)
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"the tokenizer in {folder} has no end token (eos_token): no completion would end; name it in "
            'tokenizer_config.json, for example "eos_token": "</s>"'
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _tokenizer_class(folder: Path) -> Any:
    """AutoTokenizer, whose import takes seconds and torch; but not where the folder names the class and, by an empty
    `auto_map`, forbids another: without that, AutoTokenizer takes a Qwen2 model's own tokenizer for any vocabulary."""
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    if settings.get("tokenizer_class") == "TokenizersBackend" and settings.get("auto_map") == []:
        from transformers import TokenizersBackend

        return TokenizersBackend
    from transformers import AutoTokenizer

    return AutoTokenizer


def end_ids(folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end a completion: the tokenizer's and those of the model's generation (or model) configuration."""
    files = [path for name in ("generation_config.json", "config.json") if (path := folder / name).is_file()]
    found = next((own for path in files if (own := read_json(path).get("eos_token_id")) is not None), None)
    own = found if isinstance(found, list) else [found]
    return sorted({i for i in [*own, tokenizer.eos_token_id] if i is not None})


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the pad token, which every loaded tokenizer has."""
    found = tokenizer.convert_tokens_to_ids(str(tokenizer.pad_token))
    assert isinstance(found, int)
    return found


def load_model(folder: Path, dtype: str, device: torch.device | str) -> PreTrainedModel:
    """The causal LM in evaluation mode on `device`. UserError names weights that are missing, misshapen or no numbers."""
    import torch

    from ufo_rl.model.whole import load_whole, refuse_not_finite

    model: Any = load_whole(folder, f"the model in {folder}", dtype=getattr(torch, dtype))
    model = model.to(device).eval()
    refuse_not_finite(model, f"the model in {folder} as {dtype}")
    return model


def keep_end_tokens_only(model: PreTrainedModel) -> None:
    """Empty the model's generation settings but for its special tokens.

    `generate` fills what a call leaves open from there: repetition penalties, suppressed tokens, minimum lengths. Our
    sampling is the configured one and no other.
    """
    from transformers import GenerationConfig

    own = model.generation_config or GenerationConfig()
    model.generation_config = GenerationConfig(
        eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id, bos_token_id=own.bos_token_id
    )
