"""Adapters trained, saved beside the merged policy, and read as a model; weights that a run does not keep."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Ufo
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.files.journal import parse
from ufo_rl.model import adapter
from ufo_rl.model.weights import fetch, packaged

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/rules")


def fetched(folder: Path) -> Path:
    (job,) = compose_jobs([f"model.path={folder}", "dataset=rules"])
    return fetch(load(job.plain).model)


def base_named(folder: Path, name: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": name}))


def check_parts(adapter: Path, folder: Path) -> None:
    """A file without a tensor that its configuration asks for, and with some that it would leave out, is refused by name."""
    shutil.copytree(adapter, folder)
    whole = load_file(folder / "adapter_model.safetensors")
    gone = next(name for name in whole if "lora_B" in name)
    save_file({name: one for name, one in whole.items() if name != gone}, folder / "adapter_model.safetensors")
    with pytest.raises(UserError, match=f"cannot be merged: .*lacks {re.escape(gone)}"):
        fetched(folder)
    save_file(whole, folder / "adapter_model.safetensors")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "target_modules": ["q_proj"]}))
    with pytest.raises(UserError, match="holds more than its configuration asks for"):
        fetched(folder)


def test_an_adapter_is_trained_saved_and_read_as_a_model(
    ufo: Ufo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "train.lora.rank=4",
        "train.max_steps=4",
        "train.save_steps=0.5",
        "train.keep_policy=none",
        "deepspeed=off",
    )
    first = ufo.run(
        "selector=random", "eval.rules_zone.limit=20", "eval=[rules_zone]", "tracker=off", *words[:3], "name=a"
    )
    (run,) = tmp_path.glob("outputs/runs/a/*")
    policy, trained = run / "train/policy", run / "train/adapter"
    lines = list(parse((run / "metrics.jsonl").read_bytes()))
    read_back = next(line["largest_difference"] for line in lines if line["event"] == "read_back")
    assert read_back < 1e-3 and "completed" in first  # of log-probabilities down to -60
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    merged = fetched(trained)
    one, other = load_file(policy / "model.safetensors"), load_file(merged / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)
    base = load_file(LAB / "model.safetensors")
    assert any(not torch.equal(one[name], base[name]) for name in one if name in base)
    assert fetched(trained) == merged  # once
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (merged / name).read_bytes() == (LAB / name).read_bytes()
    # asked as it was trained: what stands beside the policy stands beside the adapter too
    (job,) = compose_jobs([f"model.path={trained}", "dataset=rules"])
    assert job.plain["template"]["name"] == "short" and job.plain["model"]["name"] == run.name
    check_parts(trained, tmp_path / "partial")
    # an adapter of an adapter: what is trained on top of it names it as its base
    second = (
        "dataset=rules",
        f"model.path={trained}",
        "train=rules_lora",
        "train.max_steps=2",
        "deepspeed=off",
        "name=c",
    )
    ufo.run("selector=random", "eval.rules_zone.limit=4", "eval=[rules_zone]", "tracker=off", *second)
    (run,) = tmp_path.glob("outputs/runs/c/*")
    one = load_file(run / "train/policy/model.safetensors")
    other = load_file(fetched(run / "train/adapter") / "model.safetensors")
    assert all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)
    told = ufo.run("selector=random", "eval.rules_zone.limit=20", "eval=[rules_zone]", "tracker=off", *words, "name=b")
    (run,) = tmp_path.glob("outputs/runs/b/*")
    assert sorted(path.name for path in (run / "train").iterdir()) == ["adapter", "manifest.json", "rollouts"]
    assert "train.keep_policy=none: policy removed" in told
    assert "done before" in ufo.run(
        "selector=random", "eval.rules_zone.limit=20", "eval=[rules_zone]", "tracker=off", *words, "name=b"
    )


def test_what_is_wrong_with_an_adapter_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(UserError, match=r"has no adapter_model.safetensors; save the adapter there"):
        fetched(folder)
    (folder / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(UserError, match="they can run code"):
        fetched(folder)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    with pytest.raises(UserError, match="names no base model; write the folder of its base"):
        fetched(folder)
    base_named(folder, "org/base")
    with pytest.raises(UserError, match=r"an adapter of org/base, which is not on this machine; fetch that"):
        fetched(folder)
    base_named(folder, str(LAB))
    with pytest.raises(UserError, match="cannot be merged"):  # its weights are none
        fetched(folder)
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'ufo-rl\[lora\]'"):
        fetched(folder)
