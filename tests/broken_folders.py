"""Model folders with one thing wrong, or changed without harm: made from sound ones by a seed, for laws that hold for all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from ufo_rl.model.weights import packaged

LAB = packaged("package:lab/tiny")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 1889\n"
TEMPLATES = {  # and whether the model is asked what it should be
    "{% for m in messages %}{{ m['content'] }}{% endfor %}": True,
    "{% for m in messages %}{{ m['content'] | trim | upper }}{% endfor %}": True,
    "{% for m in messages %}{{ m['content'] | e }}{% endfor %}": True,
    "{{ messages[-1]['content'] }}": True,
    "On {{ strftime_now('%d %b %Y') }}: {{ messages[-1]['content'] }}": True,
    "{{ messages | tojson }}": True,
    "{% for m in messages %}{{ m['content'][:50] }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'][:9000] }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'].split('\\n')[0] }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'].split('\\n')[-1] }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'] | striptags }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'] | replace('$', '') }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'].split() | unique | join(' ') }}{% endfor %}": False,
    "{% for m in messages %}{{ m['content'].split() | sort | join(' ') }}{% endfor %}": False,
    "{% for m in messages if m['role'] == 'system' %}{{ m['content'] }}{% endfor %}": False,
    "Answer: ": False,
    "{% for m in messages %}{{ m['content'] }": False,
    "{% for m in messages %}{{ m['content'] }}": False,
    "{{ raise_exception('never') }}": False,
    "{{ messages[7]['content'] }}": False,
    "{{ messages[0]['content'] + 3 }}": False,
    "{{ messages[0].content | nosuchfilter }}": False,
    "{{ ['a', 'b', 'c'] | random }}{{ messages[0]['content'] }}": False,
}
VALUES = (None, -1, 0, 1, 3, 7, 10**6, 0.5, "x", "", [], [1], {}, True, False)
SOUND, BROKEN, EITHER = "sound", "broken", "either"


@dataclass
class Case:
    """A folder, what was done to it, and what must come of it: sound, broken, or either (then it must work, or be told)."""

    folder: Path
    done: str
    expected: str = EITHER


def sound_folders(root: Path) -> list[Path]:
    """The lab's model, and three tiny random ones of other kinds: untied, in bfloat16 and in shards, with Conv1D."""
    small: dict[str, Any] = {"vocab_size": 265, "pad_token_id": 256, "eos_token_id": 257, "bos_token_id": None}
    shape: dict[str, Any] = {
        **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512},
    }
    torch.manual_seed(0)
    models = {
        "llama": LlamaForCausalLM(LlamaConfig(**small, **shape, tie_word_embeddings=False)),
        "qwen3": Qwen3ForCausalLM(Qwen3Config(**small, **shape, tie_word_embeddings=True)).to(torch.bfloat16),
        "gpt2": GPT2LMHeadModel(GPT2Config(**small, n_embd=32, n_layer=2, n_head=4, n_positions=512)),
    }
    folders = [root / "lab"]
    shutil.copytree(LAB, folders[0])
    (folders[0] / "pretrain.jsonl").unlink()
    for name, model in models.items():
        folder = root / name
        model.save_pretrained(folder, max_shard_size="20KB" if name == "qwen3" else "1GB")
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy2(LAB / file, folder)
        folders.append(folder)
    return folders


@dataclass
class Breaker:
    """Makes cases below `root` from sound folders, in the order that `random` draws."""

    root: Path
    sound: list[Path]
    random: Random
    made: int = 0
    kinds: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self.kinds = tuple(name for name in vars(Breaker) if name.startswith("do_"))

    def case(self) -> Case:
        source = self.random.choice(self.sound)
        folder = self.root / f"{self.made:05d}"
        self.made += 1
        shutil.copytree(source, folder)
        kind = self.random.choice(self.kinds)
        does: Callable[[Path], tuple[str, str]] = getattr(self, kind)
        done, expected = does(folder)
        return Case(folder, f"{source.name}: {kind.removeprefix('do_')} {done}", expected)

    def _file(self, folder: Path, suffix: str = "") -> Path:
        return self.random.choice(sorted(path for path in folder.iterdir() if path.name.endswith(suffix)))

    def _needed(self, path: Path) -> str:
        return BROKEN if path.name.startswith(("config.", "model", "tokenizer.json")) else EITHER

    def do_remove(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        path.unlink()
        return path.name, self._needed(path)

    def do_cut(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        content = path.read_bytes()
        length = self.random.randrange(len(content))
        path.write_bytes(content[:length])
        is_space = content[length:].strip() == b""
        return f"{path.name} at {length} of {len(content)}", EITHER if is_space else self._needed(path)

    def do_garble(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        content = bytearray(path.read_bytes())
        start = self.random.randrange(len(content))
        content[start : start + 8] = self.random.randbytes(8)
        path.write_bytes(content)
        return f"{path.name} at {start}", EITHER

    def do_empty(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        path.write_bytes(b"")
        return path.name, EITHER if path.suffix == ".md" else BROKEN

    def do_pointer(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        path.write_text(POINTER)
        return path.name, EITHER if path.suffix in (".md", ".jinja") else BROKEN

    def do_dangle(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        path.unlink()
        path.symlink_to("../blobs/0123456789abcdef")
        return path.name, EITHER if path.suffix == ".md" else BROKEN

    def do_folder(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder)
        path.unlink()
        path.mkdir()
        return path.name, EITHER if path.suffix == ".md" else BROKEN

    def do_swap(self, folder: Path) -> tuple[str, str]:
        other = self.random.choice(self.sound)
        path = self._file(folder)
        if not (other / path.name).is_file() or path.name == "README.md":
            return f"nothing: {other.name} has no {path.name}", SOUND
        is_same = (other / path.name).read_bytes() == path.read_bytes()
        shutil.copy2(other / path.name, path)
        is_needed = path.name in ("config.json", "model.safetensors")
        return f"{path.name} with {other.name}'s", SOUND if is_same else BROKEN if is_needed else EITHER

    def do_format(self, folder: Path) -> tuple[str, str]:
        suffix = self.random.choice((".bin", ".gguf", ".pt", ".h5"))
        for path in folder.glob("model*"):
            path.unlink()
        (folder / f"model{suffix}").write_bytes(b"weights")
        return suffix, BROKEN

    def do_adapter(self, folder: Path) -> tuple[str, str]:
        (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "peft_type": "LORA"}')
        return "config", BROKEN

    def do_tensor(self, folder: Path) -> tuple[str, str]:
        path = self._file(folder, ".safetensors")
        weights = load_file(path)
        name = self.random.choice(sorted(weights))
        what = self.random.choice(("drop", "rename", "cut", "turn", "nan", "inf", "half", "bytes", "more"))
        one = weights[name]
        if what in ("drop", "rename"):
            moved = weights.pop(name)
            weights |= {f"{name}_old": moved} if what == "rename" else {}
        elif what == "cut":
            weights[name] = one[:-1].contiguous()
        elif what == "turn":
            weights[name] = (
                one.T.contiguous() if one.ndim == 2 and one.shape[0] != one.shape[1] else one[:-1].contiguous()
            )
        elif what in ("nan", "inf"):
            one.view(-1)[self.random.randrange(one.numel())] = float(what)
        elif what == "half":
            weights[name] = one.half()
        elif what == "bytes":
            weights[name] = (one * 100).to(torch.int8)
        else:
            weights[f"{name}.bias"] = torch.zeros(3)
        save_file(weights, path, metadata={"format": "pt"})
        expected = {"half": SOUND, "more": EITHER, "bytes": EITHER}.get(what, BROKEN)
        return f"{what} {name}", expected

    def do_config(self, folder: Path) -> tuple[str, str]:
        return self._edit(folder / "config.json")

    def do_generation(self, folder: Path) -> tuple[str, str]:
        return self._edit(folder / "generation_config.json")

    def do_tokenizer_config(self, folder: Path) -> tuple[str, str]:
        return self._edit(folder / "tokenizer_config.json")

    def do_tokenizer(self, folder: Path) -> tuple[str, str]:
        return self._edit(folder / "tokenizer.json")

    def _edit(self, path: Path) -> tuple[str, str]:
        settings = json.loads(path.read_text())
        key, value = self.random.choice(sorted(settings)), self.random.choice(VALUES)
        was = settings.pop(key)
        if self.random.random() < 0.8:
            settings[key] = value
        path.write_text(json.dumps(settings))
        return f"{key}={str(was)[:20]} -> {settings.get(key, 'none')}", EITHER

    def do_template(self, folder: Path) -> tuple[str, str]:
        template = self.random.choice(sorted(TEMPLATES))
        (folder / "chat_template.jinja").write_text(template)
        return template, SOUND if TEMPLATES[template] else BROKEN

    def do_kind(self, folder: Path) -> tuple[str, str]:
        """Of a model that is no causal one, or not known."""
        settings = json.loads((folder / "config.json").read_text())
        change = self.random.choice(
            (
                {"model_type": "t5", "is_encoder_decoder": True},
                {"model_type": "bert", "architectures": ["BertForMaskedLM"]},
                {"model_type": "whisper"},
                {"model_type": "clip"},
                {"model_type": "quen2"},
                {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "modeling_mine.Mine"}},
                {"quantization_config": {"quant_method": "gptq", "bits": 4}},
                {"architectures": ["Qwen2ForSequenceClassification"]},
            )
        )
        (folder / "config.json").write_text(json.dumps({**settings, **change}))
        return str(change), BROKEN
