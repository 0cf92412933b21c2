"""Model folders, sound and broken: what is wrong is told before anything is computed; what passes is used rightly."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import chat_template_utils

from tests.broken_folders import BROKEN, LAB, POINTER, SOUND, Breaker, Case, sound_folders
from ufo_rl.config.compose import compose_one
from ufo_rl.config.identity import run_id
from ufo_rl.config.load import load
from ufo_rl.config.schema import Shot, Template
from ufo_rl.errors import UserError
from ufo_rl.model.engine import Sampling
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.folder import check_files
from ufo_rl.model.probe import check_template
from ufo_rl.model.template import fix_date, messages, render, tells_date
from ufo_rl.model.trial import check_model
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer

SHORT = Template("short", "", "{question}")
CASES = int(os.environ.get("UFO_RL_FOLDERS", "300"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sound_folders(tmp_path_factory.mktemp("sound"))


def problems_of(folder: Path) -> list[str]:
    try:
        check_files(folder, f"model.path={folder}")
        check_model(folder, f"model.path={folder}", [(SHORT, [])])
    except UserError as error:
        return error.problems
    return []


def reference(folder: Path) -> torch.nn.Module:
    """The model by PyTorch's own strict loading of what the files hold: no tensor made up, none left out."""
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    whole = folder / "model.safetensors"
    files = [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
    held = {name: tensor for file in files for name, tensor in load_file(file).items()}
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    known = {name: tensor.float() for name, tensor in held.items() if name in model.state_dict()}
    missing, unexpected = model.load_state_dict(known, strict=False)
    assert set(missing) <= tied and not unexpected
    model.tie_weights()
    return model.eval()


def use(folder: Path) -> None:
    """As evaluation does, and as the reference computes."""
    tokenizer = load_tokenizer(folder)
    fix_date(tokenizer, "2024-07-26")
    text = render(tokenizer, messages(SHORT, "47+5-12=?", False))
    model = load_model(folder, "float32", "cpu")
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        ours, theirs = model(ids).logits, reference(folder)(ids).logits
    assert torch.allclose(ours, theirs, rtol=0, atol=0, equal_nan=True)
    said = HFEngine(model, tokenizer, 512, end_ids(folder, tokenizer)).generate([text], Sampling(0.0, 2), [0])
    if theirs.isfinite().all():
        assert len(list(said)) == 1
    else:  # the weights are numbers, but such that what is computed from them is none
        with pytest.raises(UserError, match="logits are nan or inf"):
            list(said)


def fault(case: Case) -> str | None:
    """What is against the law: told in one line that names the folder, or used as the reference computes."""
    try:
        problems = problems_of(case.folder)
        if problems:
            plain = all(str(case.folder) in one and "\n" not in one and len(one) < 700 for one in problems)
            return None if plain and case.expected != SOUND else f"told: {problems}"
        if case.expected == BROKEN:
            return "not told"
        use(case.folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.soak
def test_every_broken_folder_is_told_and_every_other_is_used_rightly(sound: list[Path], tmp_path: Path) -> None:
    for folder in sound:
        assert problems_of(folder) == []
        use(folder)
    breaker = Breaker(tmp_path, sound, Random(20_251_125))
    cases = [breaker.case() for _ in range(CASES)]
    faults = {f"{case.folder.name} {case.done} ({case.expected})": found for case in cases if (found := fault(case))}
    assert faults == {}, "\n".join(f"{case}\n    {found[:400]}" for case, found in faults.items())


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    held = load_file(folder / "model.safetensors")
    change(held)
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})


def alone(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"x")


UP = "model.layers.1.mlp.up_proj.weight"
# What was done to the lab's model (or to the one in shards), and the words of what is told, in one line.
SITUATIONS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "a Git LFS pointer as weights": (
        lambda f: (f / "model.safetensors").write_text(POINTER),
        ("model.safetensors is a Git LFS pointer", "git lfs pull"),
    ),
    "a shard is not there": (
        lambda f: (f / "model-00002-of-00003.safetensors").unlink(),
        ("model-00002-of-00003.safetensors, one of 3 files", "is not there; download or copy it too"),
    ),
    "the index is not there": (
        lambda f: (f / "model.safetensors.index.json").unlink(),
        ("model-00001-of-00003.safetensors and 2 more cannot be loaded without model.safetensors.index.json",),
    ),
    "the index names a file of another folder": (
        lambda f: edit(f / "model.safetensors.index.json", weight_map={"model.norm.weight": "../secret.safetensors"}),
        ("names ../secret.safetensors, which is no file of this folder",),
    ),
    "an adapter alone": (
        lambda f: (
            alone(f, "adapter_model.safetensors"),
            (f / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}'),
        ),
        ("is an adapter of org/base, not a whole model",),
    ),
    "GGUF alone": (lambda f: alone(f, "model-q4.gguf"), ("has no weights", "give a GGUF file by its own name")),
    "pickled weights alone": (lambda f: alone(f, "pytorch_model.bin"), ("has no weights", "they can run code")),
    "weights cut short": (
        lambda f: (f / "model.safetensors").write_bytes((LAB / "model.safetensors").read_bytes()[:100_000]),
        ("model.safetensors (100000 bytes) is damaged or cut short",),
    ),
    "a tensor is missing": (
        lambda f: weights(f, lambda held: held.pop(UP)),
        (f"lacks a tensor that Qwen2ForCausalLM needs: {UP}; they would be random",),
    ),
    "fewer layers in the configuration than in the file": (
        lambda f: edit(f / "config.json", num_hidden_layers=2, layer_types=["full_attention"] * 2),
        ("holds 24 tensors that Qwen2ForCausalLM would leave out: model.layers.2.input_layernorm.weight",),
    ),
    "LoRA matrices beside the weights": (
        lambda f: weights(f, lambda held: held.update({UP.replace("weight", "lora_A.weight"): torch.zeros(2, 96)})),
        ("would leave out: model.layers.1.mlp.up_proj.lora_A.weight",),
    ),
    "another width": (
        lambda f: edit(f / "config.json", intermediate_size=128),
        ("12 tensors of another shape", "down_proj.weight is 96x256, must be 96x128"),
    ),
    "a layer that was never filled": (
        lambda f: weights(f, lambda held: [one.zero_() for name, one in held.items() if ".layers.1." in name]),
        ("all matrices of model.layers.1 hold zeros alone",),
    ),
    "nan in the weights": (
        lambda f: weights(f, lambda held: held[UP].view(-1)[:1].fill_(float("nan"))),
        (f"holds nan or inf: {UP}",),
    ),
    "quantised": (
        lambda f: edit(f / "config.json", quantization_config={"quant_method": "awq"}),
        ("quantised (quantization_config: awq)",),
    ),
    "float8 weights": (
        lambda f: weights(f, lambda held: held.update({UP: held[UP].to(torch.float8_e4m3fn)})),
        (f"{UP} is F8_E4M3",),
    ),
    "code of its own": (
        lambda f: edit(f / "config.json", model_type="mine", auto_map={"AutoModelForCausalLM": "m.Mine"}),
        ("model_type=mine is not known", "auto_map), which is never run"),
    ),
    "an unknown kind": (
        lambda f: edit(f / "config.json", model_type="quen2"),
        ("model_type=quen2 is not known to this version of transformers", 'did you mean "qwen2"?'),
    ),
    "an encoder-decoder": (
        lambda f: edit(f / "config.json", model_type="t5", is_encoder_decoder=True),
        ("t5 is an encoder-decoder",),
    ),
    "config.json with a comma too many": (
        lambda f: (f / "config.json").write_text('{\n "model_type": "qwen2",\n}'),
        ("config.json is no valid JSON (line", "column"),
    ),
    "a tokenizer of more tokens than the model knows": (
        lambda f: (
            weights(
                f,
                lambda held: held.update(
                    {"model.embed_tokens.weight": held["model.embed_tokens.weight"][:250].clone()}
                ),
            ),
            edit(f / "config.json", vocab_size=250, pad_token_id=None, eos_token_id=None),
        ),
        ("its tokenizer has tokens up to 255, the model knows 250 (0 to 249)",),
    ),
    "a pad token beyond the vocabulary": (
        lambda f: edit(f / "tokenizer_config.json", pad_token="[PAD]"),
        ("pad_token [PAD] is token 265, the model knows 265 (0 to 264)",),
    ),
    "an end beyond the vocabulary": (
        lambda f: edit(f / "generation_config.json", eos_token_id=[257, 999]),
        ("generation_config.json: eos_token_id=[257, 999] must name tokens of the model, 0 to 264",),
    ),
    "no pad and no end": (
        lambda f: edit(f / "tokenizer_config.json", pad_token=None, eos_token=None),
        ("has no end token (eos_token)",),
    ),
    "several templates and no default": (
        lambda f: (
            (f / "chat_template.jinja").unlink(),
            edit(
                f / "tokenizer_config.json",
                chat_template=[{"name": "rag", "template": "x"}, {"name": "tool_use", "template": "y"}],
            ),
        ),
        ("has several chat templates (rag, tool_use) and none is the default",),
    ),
    "a template with a syntax error": (
        lambda f: (f / "chat_template.jinja").write_text("{% for m in messages %}\n{{ m.content }\n{% endfor %}"),
        ("has an error in line 2",),
    ),
    "a template that always raises": (
        lambda f: (f / "chat_template.jinja").write_text("{{ raise_exception('only for tools') }}"),
        ("cannot show a question: only for tools",),
    ),
    "a template that drops the question": (
        lambda f: (f / "chat_template.jinja").write_text("<|user|>Hello!<|assistant|>"),
        ("drops 4260 of 4260 words of the question",),
    ),
    "a template that cuts the question": (
        lambda f: (f / "chat_template.jinja").write_text("{{ messages[-1].content[:100] }}"),
        ("of 4260 words of the question",),
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_wrong_with_a_folder_is_told_by_name(sound: list[Path], tmp_path: Path, situation: str) -> None:
    lab, _, in_shards, _ = sound
    folder = tmp_path / "model"
    shutil.copytree(in_shards if "shard" in situation or "index" in situation else lab, folder)
    change, words = SITUATIONS[situation]
    change(folder)
    told = problems_of(folder)
    assert any(all(word in one for word in words) for one in told), told


def test_what_belongs_to_no_part_of_the_model_may_be_left_out(sound: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sound[0], folder)
    other = {
        "v_head.summary.weight": torch.zeros(1, 96),
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(12),
    }
    weights(folder, lambda held: held.update(other))
    assert problems_of(folder) == []
    use(folder)


def test_an_added_token_beyond_the_embedding_that_is_never_used_is_no_mistake(
    sound: list[Path], tmp_path: Path
) -> None:
    """Gemma 3's text models have one: the tokenizer's token for images."""
    folder = tmp_path / "model"
    shutil.copytree(sound[0], folder)
    edit(folder / "tokenizer_config.json", extra_special_tokens=["<|system|>", "<|user|>", "<|assistant|>", "<image>"])
    assert load_tokenizer(folder).convert_tokens_to_ids("<image>") == 265
    assert problems_of(folder) == []


def test_a_rank_refuses_what_the_parent_did_not_see(sound: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sound[0], folder)
    weights(folder, lambda held: held.pop(UP))
    with pytest.raises(UserError, match=f"lacks a tensor that Qwen2ForCausalLM needs: {UP}"):
        load_model(folder, "float32", "cpu")
    shutil.copy2(sound[0] / "model.safetensors", folder)
    weights(folder, lambda held: held[UP].view(-1)[:1].fill_(1e38))
    with pytest.raises(UserError, match=f"as float16: a tensor of its weights holds nan or inf: {UP}"):
        load_model(folder, "float16", "cpu")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_numbers_end_the_generation(sound: list[Path], temperature: float) -> None:
    model, tokenizer = load_model(sound[0], "float32", "cpu"), load_tokenizer(sound[0])
    with torch.no_grad():
        model.get_submodule("model.norm").weight.fill_(1e38)
    engine = HFEngine(model, tokenizer, 512, end_ids(sound[0], tokenizer))
    with pytest.raises(UserError, match="logits are nan or inf"):
        list(engine.generate(["<|user|>1+1=?<|assistant|>"], Sampling(temperature, 4), [0]))


class Tuesday(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return cls(2031, 12, 23, 17, 5, 59)


DATED = "Today: {{ strftime_now('%d %b %Y %H:%M') }}. {{ messages[-1]['content'] }}"


def test_a_template_that_prints_the_date_prints_the_same_on_every_day(
    sound: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sound[0], folder)
    (folder / "chat_template.jinja").write_text(DATED)
    assert problems_of(folder) == [] and not tells_date(load_tokenizer(sound[0]))
    monkeypatch.setattr(chat_template_utils, "datetime", Tuesday)
    tokenizer, asked = load_tokenizer(folder), messages(SHORT, "2+2?", True)
    assert tells_date(tokenizer) and render(tokenizer, asked) == "Today: 23 Dec 2031 17:05. 2+2?"
    fix_date(tokenizer, "2024-07-26")
    assert render(tokenizer, asked) == "Today: 26 Jul 2024 00:00. 2+2?"
    as_trl = tokenizer.apply_chat_template(
        conversation=[asked],
        tools=None,
        chat_template=None,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    assert tokenizer.decode(as_trl["input_ids"][0]) == "Today: 26 Jul 2024 00:00. 2+2?"
    tokenizer.save_pretrained(tmp_path / "policy")
    assert (tmp_path / "policy/chat_template.jinja").read_text() == DATED


def test_the_date_is_a_date_and_the_default_changes_no_run() -> None:
    before, other = compose_one([], None, None, "test"), compose_one(["model.date=2025-01-31"], None, None, "test")
    assert before.plain["model"]["date"] == "2024-07-26" and before.folder != other.folder
    del before.plain["model"]["date"]
    assert run_id(before.plain) == before.folder.name
    with pytest.raises(UserError, match=r'model\.date="yesterday" must be a date, year-month-day'):
        load(compose_one(["model.date=yesterday"], None, None, "test").plain)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ messages[-1]['content'] }}", r"drops \d+ of \d+ words of the worked examples"),
        (
            "{% if messages | length > 1 %}{{ raise_exception('one turn') }}{% endif %}{{ messages[0]['content'] }}",
            "one turn",
        ),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}", None),
    ],
)
def test_worked_examples_must_be_shown_too(sound: list[Path], template: str, words: str | None) -> None:
    tokenizer = load_tokenizer(sound[0])
    tokenizer.chat_template = template
    check_template(tokenizer, sound[0], SHORT)
    shots = [Shot("What is 1+1?", "The sum is 2.")]
    of_template, of_benchmark = (replace(SHORT, few_shot=shots),), (SHORT, [shots])
    for asked in (of_template, of_benchmark):
        if words is None:
            check_template(tokenizer, sound[0], *asked)
            continue
        with pytest.raises(UserError, match=words):
            check_template(tokenizer, sound[0], *asked)
