"""GGUF files as models: a small one written here, whose numbers are known, and what is told of files that are none."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from huggingface_hub import constants
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ufo_rl.config.compose import Job, compose_jobs
from ufo_rl.config.load import load
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.lab.tokenizer import byte_characters
from ufo_rl.model.weights import fetch, load_model

pytestmark = pytest.mark.smoke
WIDTH, HEADS, KV_HEADS, LAYERS = 64, 4, 2, 2
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def in_ggufs_order(weight: torch.Tensor, num_heads: int) -> torch.Tensor:
    """The rows of a projection as llama.cpp turns heads: pairs of neighbours, where transformers has halves."""
    halves = weight.view(num_heads, 2, weight.shape[0] // num_heads // 2, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)


def write(model: LlamaForCausalLM, path: Path, quantised: bool = False) -> None:
    """The model with a byte-level vocabulary of 260 entries as a GGUF file."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH * 2)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(260)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*byte_characters(), "<|end|>", "<|user|>", "<|assistant|>", "ab"])
    writer.add_token_types([1] * 256 + [3] * 3 + [1])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(256)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in model.state_dict().items():
        _add(writer, name, tensor, quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: gguf.GGUFWriter, name: str, tensor: torch.Tensor, quantised: bool) -> None:
    parts = name.split(".")
    if name == "lm_head.weight":
        return  # tied
    if parts[1] != "layers":
        called = {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}[parts[1]]
    else:
        heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(parts[-2])
        tensor = in_ggufs_order(tensor, heads) if heads else tensor
        called = f"blk.{parts[2]}.{NAMES['.'.join(parts[3:-1])]}.weight"
    if quantised and tensor.dim() == 2:
        kind = gguf.GGMLQuantizationType.Q4_1
        writer.add_tensor(called, gguf.quants.quantize(tensor.numpy(), kind), raw_dtype=kind)
    else:
        writer.add_tensor(called, tensor.numpy())


@pytest.fixture(scope="module")
def small() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=WIDTH,
        intermediate_size=WIDTH * 2,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=256,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))  # read from the variable at import
    return tmp_path


def chosen(path: Path) -> tuple[Job, Config]:
    (job,) = compose_jobs([f"model.path={path}", "dataset=arithmetic"])
    return job, load(job.plain)


def test_a_file_is_the_model_that_was_written(small: LlamaForCausalLM, home: Path) -> None:
    write(small, home / "small-f32.gguf")
    job, config = chosen(home / "small-f32.gguf")
    assert (job.plain["model"]["name"], job.plain["model"]["dtype"]) == ("small-f32", "float32")
    folder = fetch(config.model)
    assert folder.parent == home / "hf/ufo-rl/gguf" and (folder / "model.safetensors").is_file()
    ids = torch.randint(0, 256, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = load_model(folder, "float32", "cpu")(ids).logits, small(ids).logits
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ("7 + 5 = 12, cab", "naïve 数学 \n\t x"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert tokenizer("cab", add_special_tokens=False).input_ids == [ord("c"), 259]  # by its one merge
    assert tokenizer.apply_chat_template([{"role": "user", "content": "1+1"}], tokenize=False) == "<|user|>1+1"
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert fetch(config.model) == folder and (folder / "model.safetensors").stat().st_mtime_ns == before


def test_blocks_of_four_bits_become_the_numbers_that_they_stand_for(small: LlamaForCausalLM, home: Path) -> None:
    write(small, home / "small-q4.gguf", quantised=True)
    loaded = load_model(fetch(chosen(home / "small-q4.gguf")[1].model), "float32", "cpu").state_dict()
    for name in ("model.embed_tokens.weight", "model.layers.1.mlp.up_proj.weight"):
        kind, written = gguf.GGMLQuantizationType.Q4_1, small.state_dict()[name]
        expected = torch.tensor(gguf.quants.dequantize(gguf.quants.quantize(written.numpy(), kind), kind))
        assert torch.equal(loaded[name], expected)
        assert 0 < (loaded[name] - written).abs().max() < 0.2


def test_another_file_in_the_same_place_is_another_model(small: LlamaForCausalLM, home: Path) -> None:
    write(small, home / "mine.gguf")
    _, config = chosen(home / "mine.gguf")
    first = fetch(config.model)
    write(small, home / "mine.gguf", quantised=True)
    assert fetch(config.model) != first


def test_what_keeps_a_file_from_being_unpacked_is_told_and_leaves_nothing(
    small: LlamaForCausalLM, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(small, home / "MINE.GGUF")
    config = chosen(home / "MINE.GGUF")[1]
    assert config.model.name == "MINE" and config.model.dtype == "float32"

    def told(begin: str) -> None:
        with pytest.raises(UserError, match=begin) as caught:
            fetch(config.model)
        assert "\n" not in str(caught.value) and not list((home / "hf").glob("ufo-rl/gguf/*/"))

    def killed(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        (Path(words[-1]).parent / f"{Path(words[-1]).name}.partial").mkdir()
        return subprocess.CompletedProcess(words, -9, "", "Converting:  43%|####")

    with monkeypatch.context() as patch:
        patch.setattr("ufo_rl.model.gguf.find_spec", lambda name: None)
        told(r"GGUF files are read by the package gguf; pip install gguf$")
        patch.undo()
        patch.setattr("ufo_rl.model.made_once.subprocess.run", killed)
        told(r"cannot be unpacked: signal 9 ended it, as where memory runs out; set HF_HOME")
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HOME", "/proc/none")
        told(
            r"cannot be unpacked to /proc/none/ufo-rl/gguf/MINE-\w+ \(.+\); set HF_HOME to a folder that can be written"
        )
    with ThreadPoolExecutor(2) as two:  # commands side by side: one unpacks, the other waits for it
        folders = list(two.map(lambda _: fetch(config.model), range(2)))
    assert folders[0] == folders[1] and (folders[0] / "model.safetensors").is_file()


def test_what_is_no_gguf_file_is_told(small: LlamaForCausalLM, home: Path) -> None:
    (home / "bad.gguf").write_bytes(b"PK and so on")
    with pytest.raises(UserError, match=r"bad.gguf is no GGUF file: it does not begin with GGUF; download it again"):
        fetch(chosen(home / "bad.gguf")[1].model)
    write(small, home / "whole.gguf")
    (home / "cut.gguf").write_bytes((home / "whole.gguf").read_bytes()[:20_000])
    with pytest.raises(UserError, match=r"^model.path=\S+cut.gguf cannot be unpacked: .+; take another file") as caught:
        fetch(chosen(home / "cut.gguf")[1].model)
    assert "\n" not in str(caught.value) and not list((home / "hf/ufo-rl/gguf").glob("cut*/"))
    (home / "notes.txt").write_text("no model")
    with pytest.raises(UserError, match=r"is a file; give the folder with .* or a GGUF file"):
        fetch(chosen(home / "notes.txt")[1].model)
