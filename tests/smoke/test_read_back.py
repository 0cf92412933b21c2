"""What was saved is what was trained: policies read back, checkpoints that were changed since."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from trl.trainer.grpo_config import GRPOConfig

from tests.conftest import Ufo
from ufo_rl.errors import UserError
from ufo_rl.files.journal import parse
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.reward.parts import Part
from ufo_rl.training.construct import make_trainer
from ufo_rl.training.read_back import ReadBack
from ufo_rl.training.sound import FILES, OURS, remove_damaged, seal
from ufo_rl.training.watcher import Watcher

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")
ROWS = [{"id": str(i), "prompt": f"{i}+7=?", "answer": str(i + 7)} for i in range(8)]


def zero(file: Path, name: str) -> None:
    tensors = load_file(file)
    tensors[name] = torch.zeros_like(tensors[name])
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["model.norm.weight", "model.layers.2.mlp.up_proj.weight"])
def test_a_policy_that_is_not_the_live_one_is_refused(tmp_path: Path, name: str) -> None:
    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", num_generations=8)
    part = Part("constant", 1.0, lambda completions, **_: [0.0] * len(completions))
    trainer = make_trainer(arguments, ROWS, LAB, load_tokenizer(LAB), [part], Watcher(lambda *_, **__: None))
    live = ReadBack(trainer, ROWS)
    trainer.save_model(str(tmp_path / "policy"))
    assert live.check(tmp_path / "policy") < 1e-5
    zero(tmp_path / "policy/model.safetensors", name)
    with pytest.raises(UserError, match="the policy as it was saved is not the one that was trained"):
        live.check(tmp_path / "policy")


def test_a_checkpoint_that_is_not_as_saved_is_removed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for step in (2, 4, 6):
        made = tmp_path / f"checkpoint-{step}"
        (made / "rank").mkdir(parents=True)
        save_file({"weight": torch.ones(3)}, made / "model.safetensors")
        (made / "rank/optimizer.pt").write_bytes(b"moments")
        seal(made, {"feed": {"taken": step}, "seconds": 0.1})
    remove_damaged(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3 and not caplog.messages
    (tmp_path / "checkpoint-6/rank/optimizer.pt").unlink()
    zero(tmp_path / "checkpoint-4/model.safetensors", "weight")
    remove_damaged(tmp_path)
    assert caplog.messages == [
        "checkpoint-6 is damaged and removed, not as it was saved: rank/optimizer.pt; training goes on from checkpoint-4",
        "checkpoint-4 is damaged and removed, not as it was saved: model.safetensors; training goes on from checkpoint-2",
    ]
    ours = json.loads((tmp_path / "checkpoint-2" / OURS).read_text())
    (tmp_path / "checkpoint-2" / OURS).write_text(json.dumps({"feed": ours["feed"], "seconds": 0.1}))
    remove_damaged(tmp_path)
    assert (
        len(list(tmp_path.iterdir())) == 1 and len(caplog.messages) == 2
    )  # of a version without checksums nothing is known
    seal(tmp_path / "checkpoint-2", {"feed": ours["feed"], "seconds": 0.1})
    remove_damaged(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    shutil.copy(tmp_path / "checkpoint-2/model.safetensors", tmp_path / "checkpoint-2/more.safetensors")
    remove_damaged(tmp_path)
    assert caplog.messages[-1].endswith("more.safetensors; training begins anew") and not list(tmp_path.iterdir())


def test_our_own_part_of_a_checkpoint_is_held_against_what_was_saved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = tmp_path / "checkpoint-3"
    made.mkdir()
    seal(made, {"generated_tokens": 12, "feed": {"taken": 3, "order": [1, 2]}})
    content = json.loads((made / OURS).read_text())
    (made / OURS).write_text(json.dumps({**content, "generated_tokens": 92}))
    remove_damaged(tmp_path)
    assert f"not as it was saved: {OURS}; training begins anew" in caplog.text and FILES in content
    assert not list(tmp_path.iterdir())


def test_a_policy_of_another_step_is_refused(tmp_path: Path) -> None:
    """Nearly the same weights, whose words differ by less than rounding in half precision."""
    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", num_generations=8)
    part = Part("constant", 1.0, lambda completions, **_: [0.0] * len(completions))
    trainer = make_trainer(arguments, ROWS, LAB, load_tokenizer(LAB), [part], Watcher(lambda *_, **__: None))
    trainer.save_model(str(tmp_path / "policy"))
    with torch.no_grad():
        for weight in list(trainer.model.parameters())[:4]:
            weight.mul_(1 + 1e-6)
    with pytest.raises(UserError, match=r"is not the one that was trained: \S+, \S+, \S+ and 1 more differ"):
        ReadBack(trainer, ROWS).check(tmp_path / "policy")


@pytest.mark.soak
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(ufo: Ufo) -> None:
    """By the command: the run stops once it has two checkpoints, a tensor of the newer one is zeroed, and it goes on."""
    words = (*ufo.SMALL, "train.max_steps=120", "train.save_steps=2", "train.keep_checkpoints=2", "deepspeed=off")
    process = ufo.start(*words)
    found: list[Path] = []
    while len(found) < 2:
        assert process.poll() is None, process.communicate()[0]
        found = [one.parent for one in ufo.folder.glob(f"outputs/runs/dev/*/.work/train-*/checkpoint-*/{OURS}")]
    process.terminate()
    process.communicate()
    older, newer = sorted(
        (one.parent for one in ufo.folder.glob(f"outputs/runs/dev/*/.work/train-*/checkpoint-*/{OURS}")),
        key=lambda one: int(one.name.split("-")[1]),
    )
    zero(newer / "model.safetensors", "model.norm.weight")
    said = ufo.run(*words)
    assert f"{newer.name} is damaged and removed, not as it was saved: model.safetensors" in said
    assert f"training goes on from {older.name}" in said
    (journal,) = ufo.folder.glob("outputs/runs/dev/*/metrics.jsonl")
    lines: list[dict[str, Any]] = [one for one in parse(journal.read_bytes()) if one["stage"] == "train"]
    steps = [one["step"] for one in lines if one["event"] == "metrics"]
    first = int(older.name.split("-")[1]) + 1
    assert steps.count(first) == 2 and set(steps) == set(range(1, 121))  # made again from there, and nothing before
    assert first == 1 or steps.count(first - 1) == 1
    assert [one["largest_difference"] < 1e-5 for one in lines if one["event"] == "read_back"] == [True]
