"""A training that is evaluated on the way is the one that is not: the same steps and weights, and what the pauses found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Ufo, family
from tests.waiting import BACKSTOP_S, wait_until
from ufo_rl.files.journal import parse
from ufo_rl.training.on_the_way import OnTheWay
from ufo_rl.training.sound import OURS

pytestmark = pytest.mark.smoke
SIZE = (
    "train.max_steps=8",
    "train.num_iterations=2",
    "train.per_device_train_batch_size=16",
    "selector=full",
    "tracker=off",
)
PAUSES = ("train.eval_steps=3", "train.best_by=arithmetic")


def policy(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "train/policy/model.safetensors")


def lines(folder: Path, stage: str, event: str) -> list[dict[str, Any]]:
    found = parse((folder / "metrics.jsonl").read_bytes())
    return [one for one in found if one["stage"] == stage and one["event"] == event]


def check(whole: Path, paused: Path) -> None:
    manifest = json.loads((paused / "train/manifest.json").read_text())
    known = manifest["evaluations"]
    assert [one["step"] for one in known] == [
        4,
        6,
        8,
    ]  # two passes over one set of completions: 4 is the first end after 3
    final = json.loads((paused / "metrics.json").read_text())["eval"]["arithmetic"]["final"]["accuracy"]
    assert known[-1]["accuracy"]["arithmetic"] == final
    told = {one["step"]: one["accuracy"] for one in lines(paused, "eval", "metrics")}
    assert told == {one["step"]: one["accuracy"]["arithmetic"] for one in known}
    best = max(one["accuracy"]["arithmetic"] for one in known)
    assert manifest["best"]["step"] == next(one["step"] for one in known if one["accuracy"]["arithmetic"] == best)
    assert (paused / "train/best/model.safetensors").is_file() == (manifest["best"]["step"] != 8)
    norms = [{one["step"]: one["grad_norm"] for one in lines(run, "train", "metrics")} for run in (whole, paused)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4, abs=1e-6) and len(norms[0]) == 8
    one, other = policy(whole), policy(paused)
    assert max(float((one[name] - other[name]).abs().max()) for name in one) <= 1e-6
    tables = [sorted(path.name for path in (run / "train/rollouts").iterdir()) for run in (whole, paused)]
    assert tables[0] == tables[1]


@pytest.mark.soak
def test_pauses_change_nothing_also_where_one_is_killed(ufo: Ufo) -> None:
    ufo.run(*ufo.SMALL, *SIZE, "name=whole")
    ufo.run(*ufo.SMALL, *SIZE, *PAUSES, "name=paused")
    (whole,), (paused,) = (list(ufo.folder.glob(f"outputs/runs/{name}/*")) for name in ("whole", "paused"))
    check(whole, paused)
    mark = uuid.uuid4().hex
    process = ufo.start(*ufo.SMALL, *SIZE, *PAUSES, "name=killed", UFO_TEST=mark)
    deadline = time.monotonic() + BACKSTOP_S
    while not list(ufo.folder.glob("outputs/runs/killed/*/.work/train-*/evaluations.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    for pid in family(mark):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=BACKSTOP_S)
    assert wait_until(lambda: not family(mark))
    ufo.run(*ufo.SMALL, *SIZE, *PAUSES, "name=killed")
    (killed,) = ufo.folder.glob("outputs/runs/killed/*")
    check(whole, killed)


def test_the_best_policy_is_the_first_of_the_highest_accuracy(tmp_path: Path) -> None:
    settings: Any = SimpleNamespace(eval_steps=10, best_by="one")
    accuracy = {10: 0.3, 20: 0.6, 30: 0.6, 35: 0.5}
    policy, steps = tmp_path / "published/policy", iter([*accuracy, 35])

    def trained(until: int | None) -> dict[str, Any]:
        step = next(steps)
        policy.mkdir(parents=True, exist_ok=True)
        (policy / "model.safetensors").write_text(str(step))
        (tmp_path / f"checkpoint-{step}").mkdir(exist_ok=True)
        (tmp_path / f"checkpoint-{step}" / OURS).write_text("{}")
        assert until == {10: 10, 20: 20, 30: 30, 35: 40}[step]
        said = {"seconds": 1.5, "peak_memory_gib": step / 10, "resumed": step > 10, "steps": step}
        return said if step == 35 else {**said, "paused_at": step}

    def train() -> dict[str, Any]:
        return OnTheWay(settings, tmp_path, lambda _, step: {"one": accuracy[step], "two": 1.0}).train(trained, policy)

    found = train()
    assert found["best"] == {"step": 20, "by": "one"} and [one["step"] for one in found["evaluations"]] == list(
        accuracy
    )
    assert (found["seconds"], found["peak_memory_gib"], found["resumed"]) == (6.0, 3.5, False)
    assert (policy.with_name("best") / "model.safetensors").read_text() == "20"
    assert (policy / "model.safetensors").read_text() == "35"
    shutil.rmtree(policy.parent)  # killed before it was published: only the last part is done again
    assert train()["best"] == {"step": 20, "by": "one"}
    assert (policy.with_name("best") / "model.safetensors").read_text() == "20"
    shutil.rmtree(policy.parent)
    shutil.rmtree(tmp_path / "checkpoint-35")
    (tmp_path / "checkpoint-30" / OURS).write_text("{")  # damaged: what was found at 30 is found again
    steps = iter([30, 35])
    assert [one["step"] for one in train()["evaluations"]] == list(accuracy) and next(steps, None) is None
    for path in (policy.parent, *tmp_path.glob("checkpoint-*")):  # begun anew
        shutil.rmtree(path)
    steps = iter(accuracy)
    assert train()["best"] == {"step": 20, "by": "one"} and next(steps, None) is None


def test_what_chooses_must_be_asked(ufo: Ufo) -> None:
    said = ufo.run("train.best_by=arithmetik", status=2)
    assert "train.best_by=arithmetik is no benchmark of this run" in said
    assert "train.best_by=arithmetik needs evaluations on the way, for example train.eval_steps=50" in said


@pytest.mark.soak
def test_pauses_of_shards_whose_selection_moves_and_whose_budget_is_tokens_change_nothing(ufo: Ufo) -> None:
    words = (
        *ufo.SMALL, "launch.num_ranks=2", "deepspeed=zero3", "selector=ufo", "ratio=50pct",
        "refresh=rescore", "refresh.every=2", "train.max_steps=null", "train.max_generated_tokens=2500",
        "train.per_device_train_batch_size=16", "train.save_steps=null", "tracker=off",
    )  # fmt: skip
    ufo.run(*words, "name=whole")
    ufo.run(*words, "train.eval_steps=2", "name=paused")
    (whole,), (paused,) = (list(ufo.folder.glob(f"outputs/runs/{name}/*")) for name in ("whole", "paused"))
    one, other = (json.loads((run / "train/manifest.json").read_text()) for run in (whole, paused))
    assert one["steps"] == other["steps"] > 4 and one["generated_tokens"] == other["generated_tokens"]
    asked = [found["step"] for found in other["evaluations"]]
    assert asked == [*range(2, one["steps"], 2), one["steps"]] and not other["resumed"]
    moved = [[(found["entered"], found["left"]) for found in lines(run, "train", "refresh")] for run in (whole, paused)]
    assert moved[0] == moved[1] and moved[0]
    before, after = policy(whole), policy(paused)
    assert max(float((before[name] - after[name]).abs().max()) for name in before) <= 1e-4
