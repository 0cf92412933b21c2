"""kill -9 of the parent in every stage: nothing survives it, and the same command finishes the run."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Ufo, family
from tests.waiting import BACKSTOP_S, wait_until
from ufo_rl.files.journal import parse

pytestmark = pytest.mark.smoke
STAGES = ("base_eval", "score", "pass_rate", "train", "eval")
BOTH = """
class Both:
    signals, keeps_all = ("confidence", "pass_rate"), False
    def sort_key(self, columns): return abs(columns["confidence"] - columns["pass_rate"])
"""
ARGUMENTS = (
    "plugins=[both]",
    "selector=random",
    "selector._target_=both.Both",
    "signal.pass_rate.num_samples=4",
    "launch.num_ranks=2",
    "train.per_device_train_batch_size=8",
    "deepspeed=zero2",
    "train.max_steps=12",
    "train.save_steps=2",
)


def stages(journal: Path, event: str) -> list[str]:
    return [line["stage"] for line in parse(journal.read_bytes()) if line["event"] == event]


def steps(journal: Path) -> list[int]:
    return [line["step"] for line in parse(journal.read_bytes()) if line["stage"] == "train" and "step" in line]


@pytest.mark.soak
def test_kill_in_every_stage(ufo: Ufo) -> None:
    selections, hits, num_seen = [], Counter[str](), 0
    (ufo.folder / "both.py").write_text(BOTH)
    ufo.environment["PYTHONPATH"] = str(ufo.folder)
    for stage in STAGES:
        mark = uuid.uuid4().hex
        tracker = "tracker=offline" if stage == "train" else "tracker=off"  # wandb has processes too
        process = ufo.start(*ufo.SMALL, *ARGUMENTS, tracker, UFO_TEST=mark)
        before: list[str] = []
        deadline = time.monotonic() + BACKSTOP_S
        while time.monotonic() < deadline:
            # the command, the fork server, the agent of the ranks, two ranks
            journal = next(iter(ufo.folder.glob("outputs/runs/dev/*/metrics.jsonl")), None)
            before = stages(journal, "start") if journal is not None else []
            if stage in before[num_seen:] and len(family(mark)) >= 5:
                break
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        assert stage in before, f"{stage} never began"
        if stage == "train":  # past the second checkpoint
            while steps(journal)[-1:] < [5]:
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert wait_until(lambda mark=mark: not family(mark)), f"{stage}: processes survive the parent"
        begun = stages(journal, "start")  # a stage of half a second may have ended, and the next one begun
        hits.update({*begun[num_seen:]} - {*stages(journal, "end")})
        num_seen = len(begun)
        selections += [path.read_bytes() for path in ufo.folder.glob("outputs/runs/dev/*/selection.json")]
    ufo.run(*ufo.SMALL, *ARGUMENTS)
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    assert {*selections, (folder / "selection.json").read_bytes()} == {selections[0]}
    assert json.loads((folder / "status.json").read_text())["state"] == "completed"
    # training went on from a checkpoint: at most the steps since then are trained twice, none is left out
    manifest = json.loads((folder / "train/manifest.json").read_text())
    trained = steps(folder / "metrics.jsonl")
    assert manifest["resumed"] and manifest["steps"] == 12
    assert sorted(set(trained)) == list(range(1, 13)) and 12 <= len(trained) <= 15
    # each kill costs one more start of the stage that it hit, and no published stage starts again
    assert hits["train"] == 1 and hits.total() >= 3
    assert stages(folder / "metrics.jsonl", "start") == [stage for stage in STAGES for _ in range(1 + hits[stage])]
    spent = ufo.metrics(folder)["seconds"]
    attempts = [line["attempt"] for line in parse((folder / "metrics.jsonl").read_bytes())]
    assert list(spent) == [*STAGES, "total"] and max(attempts) == 6
    assert sum(spent[stage] for stage in STAGES) < spent["total"]


def test_ctrl_c_keeps_what_is_finished(ufo: Ufo) -> None:
    mark = uuid.uuid4().hex
    process = ufo.start(*ufo.SMALL, "launch.num_ranks=2", UFO_TEST=mark)
    assert wait_until(lambda: list(ufo.folder.glob("outputs/runs/dev/*/logs/base_eval.log")))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=BACKSTOP_S)
    assert process.returncode == 130, output
    assert "Traceback" not in output and "the same command goes on" in output
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    assert json.loads((folder / "status.json").read_text())["state"] == "interrupted"
    assert "interrupted at base_eval" in ufo.run("compare", "outputs/runs")
    assert wait_until(lambda: not family(mark))  # a server that was interrupted as it started sees it in its first line
