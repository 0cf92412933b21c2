"""kill -9 and Ctrl-C in every stage: nothing survives it, and the same command finishes the run."""

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
    return [one["step"] for one in parse(journal.read_bytes()) if one["stage"] == "train" and one["event"] == "metrics"]


def about(pid: int) -> tuple[int, str]:
    """The parent of a process, and its words."""
    try:
        folder = Path("/proc") / str(pid)
        parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        return int(parent), (folder / "cmdline").read_bytes().decode()
    except (FileNotFoundError, ProcessLookupError):
        return 0, ""


def found(victim: str, command: int, mark: str) -> int | None:
    """The process, where all of the stage's are there: the command, the fork server, the agent of the ranks, two ranks."""
    all_ = {pid: about(pid) for pid in family(mark)}
    servers = [pid for pid, (parent, words) in all_.items() if parent == command and "fork_server" in words]
    agents = [pid for pid, (parent, _) in all_.items() if parent in servers]
    ranks = [pid for pid, (parent, _) in all_.items() if parent in agents]
    if len(ranks) < 2:
        return None
    return {"command": command, "server": servers[0], "rank": max(ranks)}[victim]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("command", signal.SIGKILL),
        ("command", signal.SIGINT),
        ("server", signal.SIGKILL),
        ("rank", signal.SIGKILL),
    ],
)
def test_a_signal_in_every_stage(ufo: Ufo, victim: str, number: signal.Signals) -> None:
    selections, hits, num_seen, num_kills = [], Counter[str](), 0, 0
    (ufo.folder / "both.py").write_text(BOTH)
    ufo.environment["PYTHONPATH"] = str(ufo.folder)
    journal = None
    for stage in STAGES:
        if journal is not None and stage in stages(journal, "end"):
            continue  # it is so short that the last signal came behind it
        mark = uuid.uuid4().hex
        tracker = "tracker=offline" if stage == "train" else "tracker=off"  # wandb has processes too
        process = ufo.start(*ufo.SMALL, *ARGUMENTS, tracker, UFO_TEST=mark)
        before: list[str] = []
        pid = None
        deadline = time.monotonic() + BACKSTOP_S
        while time.monotonic() < deadline:
            journal = next(iter(ufo.folder.glob("outputs/runs/dev/*/metrics.jsonl")), None)
            before = stages(journal, "start") if journal is not None else []
            if stage in before[num_seen:] and (pid := found(victim, process.pid, mark)):
                break
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        assert stage in before and pid is not None, f"{stage} never began"
        if stage == "train":  # past the second checkpoint
            while steps(journal)[-1:] < [5]:
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.05)
        os.kill(pid, number)
        num_kills += 1
        output, _ = process.communicate()
        assert wait_until(lambda mark=mark: not family(mark)), f"{stage}: processes survive"
        begun = stages(journal, "start")  # a stage of half a second may have ended, and the next one begun
        hit = {*begun[num_seen:]} - {*stages(journal, "end")}
        hits.update(hit)
        num_seen = len(begun)
        if number == signal.SIGINT:
            assert process.returncode == 130 and "the same command goes on" in output, output
        elif victim != "command":
            assert process.returncode == (1 if hit else 0), output
            assert not hit or f"stage {hit.pop()} ended with status -9" in output
        assert "Traceback" not in output
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
    # each signal costs one more start of the stage that it hit, and no published stage starts again
    assert hits["train"] == 1 and hits.total() >= 3
    assert stages(folder / "metrics.jsonl", "start") == [stage for stage in STAGES for _ in range(1 + hits[stage])]
    spent = ufo.metrics(folder)["seconds"]
    attempts = [line["attempt"] for line in parse((folder / "metrics.jsonl").read_bytes())]
    assert list(spent) == [*STAGES, "total"] and max(attempts) == num_kills + 1
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
