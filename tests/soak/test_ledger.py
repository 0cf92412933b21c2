"""A sweep of twelve jobs of which two fail, killed and started again, under both launchers: nothing lost, nothing done
twice."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from typing import Any

import pytest

from tests.conftest import Ufo
from tests.planted_part import PART
from tests.waiting import wait_until

pytestmark = [pytest.mark.smoke, pytest.mark.soak]
SWEEP = (
    "-m",
    "seed=range(12)",
    "name=twelve",
    "selector=ufo",
    "ratio=20pct",
    "plugins=[mylab]",
    "+reward.parts.planted._target_=mylab.planted.Planted",
    "+reward.parts.planted.seed=${seed}",
    "+reward.parts.planted.weight=0.5",
    "tracker=offline",
)
LAUNCHERS = {"basic": (), "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")}


def plant(ufo: Ufo, failing: str) -> Ufo:
    (ufo.folder / "mylab").mkdir()
    (ufo.folder / "mylab/__init__.py").write_text("")
    (ufo.folder / "mylab/planted.py").write_text(PART)
    (ufo.folder / "failing.txt").write_text(failing)
    return ufo


def jobs(ufo: Ufo) -> dict[int, dict[str, Any]]:
    """State, reason, attempts and accuracy of each job by its seed."""
    found = {}
    for folder in (ufo.folder / "outputs/sweeps/twelve").glob("tiny-*"):
        status, record = (json.loads((folder / f"{name}.json").read_text()) for name in ("status", "run"))
        path = folder / "metrics.json"
        metrics = json.loads(path.read_text()) if path.is_file() else {"eval": {}}
        accuracy = {name: one["final"]["accuracy"] for name, one in metrics["eval"].items()}
        seed = int(record["command"].partition("seed=")[2].split()[0])
        found[seed] = {
            "state": status["state"],
            "error": status["error"],
            "attempt": record.get("attempt", 0),
        } | accuracy
    return dict(sorted(found.items()))


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_of_twelve_fail_and_are_all_that_runs_again(ufo: Ufo, launcher: str) -> None:
    plant(ufo, failing="3 7")
    command = (*ufo.SMALL, *SWEEP, *LAUNCHERS[launcher])
    output = ufo.run(*command, status=1)
    first = jobs(ufo)
    assert [seed for seed, job in first.items() if job["state"] == "failed"] == [3, 7]
    assert [job["state"] for job in first.values()].count("completed") == 10
    assert all("planted for seed" in first[seed]["error"] for seed in (3, 7))
    assert "12 jobs: 2 failed, 10 completed" in output and output.count("planted for seed 3") >= 2  # log and table
    listed = ufo.run("ls", "--failed", "--json")
    assert len(json.loads(listed)) == 2
    (ufo.folder / "failing.txt").write_text("")
    again = ufo.run(*command)
    assert again.count("done before") == 10
    second = jobs(ufo)
    assert {seed: job["attempt"] for seed, job in second.items()} == {
        seed: 2 if seed in (3, 7) else 1 for seed in range(12)
    }
    assert all(job["state"] == "completed" for job in second.values())
    scored = ufo.folder / "outputs/cache/signals"
    assert len(list(scored.glob("confidence-*"))) == 1 and sum(1 for _ in scored.glob("confidence-*/chunk-*")) == 1
    runs = ufo.folder / "outputs/wandb"
    assert len({path.name.rsplit("-", 1)[1] for path in runs.glob("offline-run-*")}) == 12


def states(ufo: Ufo) -> list[str]:
    return [entry["state"] for entry in json.loads(ufo.run("ls", "outputs/sweeps/twelve", "--json"))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """What the twelve jobs come to if nothing happens."""
    ufo = plant(Ufo(tmp_path_factory.mktemp("undisturbed")), failing="")
    ufo.run(*ufo.SMALL, *SWEEP)
    return jobs(ufo)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_killed_and_started_again_it_ends_alike(
    ufo: Ufo, launcher: str, undisturbed: dict[int, dict[str, Any]]
) -> None:
    plant(ufo, failing="")
    command = (*ufo.SMALL, *SWEEP, *LAUNCHERS[launcher])
    process = ufo.start(*command, preexec=os.setsid)
    threading.Thread(target=process.communicate).start()  # a full pipe would stop it
    sweep, number = ufo.folder / "outputs/sweeps/twelve", random.Random(launcher).randrange(2, 8)
    assert wait_until(lambda: sum(1 for _ in sweep.glob("*/metrics.json")) >= number)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # ranks are sessions of their own, and end once they notice that nobody is there
    assert wait_until(lambda: "running" not in states(ufo))
    # a job whose results were written a moment before the kill may not have said so
    found = states(ufo)
    assert len(found) == 12 and found.count("completed") >= number - 2 and {*found} <= {"completed", "planned", "stale"}
    ufo.run(*command)
    results = {seed: job["arithmetic"] for seed, job in jobs(ufo).items()}
    assert results == {seed: job["arithmetic"] for seed, job in undisturbed.items()} and len(results) == 12


def test_fail_fast_starts_no_other(ufo: Ufo) -> None:
    plant(ufo, failing="0")
    output = ufo.run(*ufo.SMALL, *SWEEP, "seed=0,1,2", "fail_fast=true", status=1)
    assert {seed: job["state"] for seed, job in jobs(ufo).items()} == {0: "failed", 1: "planned", 2: "planned"}
    assert "3 jobs: 1 failed, 2 planned" in output and output.count("fail_fast=true)") == 2
