"""Offline W&B runs of a sweep of four jobs, killed and started again, read back with W&B's own tool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ufo
from tests.waiting import wait_until
from ufo_rl.report.comparing.comparison import compare_runs
from ufo_rl.report.disk.remote_run import remote_run
from ufo_rl.report.disk.run_folders import find_runs

pytestmark = [pytest.mark.smoke, pytest.mark.soak]
SWEEP = (
    "-m",
    "selector=random,ufo",
    "seed=0,1",
    "name=four",
    "ratio=20pct",
    "tracker=offline",
    "train.max_steps=4",
    "train.save_steps=1",
)


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record of an offline run, in order."""
    (path,) = folder.glob("run-*.wandb")
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def of_kind(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line[kind] if isinstance(line.get(kind), dict) else line for line in lines if line.get("type") == kind]


def test_four_jobs_are_four_runs_with_lineage(ufo: Ufo) -> None:
    command = (*ufo.SMALL, *SWEEP)
    sweep, wandb = ufo.folder / "outputs/sweeps/four", ufo.folder / "outputs/wandb"
    process = ufo.start(*command, preexec=os.setsid)
    threading.Thread(target=process.communicate).start()  # a full pipe would stop it

    def is_in_the_third() -> bool:
        begun = [path for path in sweep.glob("*/metrics.jsonl") if '"stage": "train"' in path.read_text()]
        return len(begun) == 3 and len(list(sweep.glob("*/metrics.json"))) == 2

    assert wait_until(is_in_the_third)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    ufo.run(*command)
    parts: dict[str, list[list[dict[str, Any]]]] = {}
    for folder in sorted(wandb.glob("offline-run-*")):
        parts.setdefault(folder.name.rpartition("-")[2], []).append(records(folder))
    own = {json.loads(path.read_text())["wandb_id"]: path.parent for path in sweep.glob("*/run.json")}
    assert set(parts) == set(own) and len(own) == 4
    assert sorted(len(attempts) for attempts in parts.values()) == [1, 1, 1, 2]  # the killed one went on under its id
    for wandb_id, attempts in parts.items():
        _check(attempts[-1], own[wandb_id])
    _check_remote(wandb, own, sweep)
    killed = next(attempts for attempts in parts.values() if len(attempts) == 2)
    assert not of_kind(killed[0], "exit")  # W&B shows it as crashed until it goes on


def _check_remote(wandb: Path, own: dict[str, Path], sweep: Path) -> None:
    """What W&B's server would have of these runs is compared as the folders are, without their questions."""
    found = {}
    for folder in sorted(wandb.glob("offline-run-*")):  # the later part of a run replaces the earlier one
        (path,) = folder.glob("run-*.wandb")
        asked = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(path)]
        said = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
        found[folder.name.rpartition("-")[2]] = said | {"created": ""}
    runs = [remote_run(one | {"id": wandb_id}) for wandb_id, one in found.items()]
    local = {run.id: run for run in find_runs([sweep])}
    assert {run.id.rpartition("-")[2] for run in runs} == {one.rpartition("-")[2] for one in local} and len(runs) == 4
    for run in runs:
        twin = next(one for one in local.values() if one.id.endswith(run.id.rpartition("-")[2]))
        assert run.after("arithmetic") == twin.after("arithmetic") and run.arm == twin.arm and run.seed == twin.seed
    text = compare_runs(list(runs), "random")
    assert "ufo 20%" in text and "random 20%" in text and "Not in the tables" not in text


def _check(lines: list[dict[str, Any]], folder: Path) -> None:
    text = json.dumps(lines)
    (run,) = of_kind(lines, "run")[:1]
    config = json.loads((folder / "run.json").read_text())
    assert config["group"] == "four" and '"four"' in json.dumps(run) and config["cell_id"] in json.dumps(run)
    metrics = json.dumps(of_kind(lines, "metric"))
    for axis in ("score/prompts", "train/global_step", "eval/*", "train/*"):
        assert axis in metrics, axis
    assert "select/prompts" in text and "eval/arithmetic_questions" in text and "train/reward" in text
    assert "figures/reward" in text and (folder / "figures/reward.png").is_file()
    assert "arithmetic_gain" in text and '"completed"' in text
    artifacts = of_kind(lines, "artifact")
    kinds = [one.get("type") if one.get("type") != "artifact" else one.get("artifact_type") for one in artifacts]
    lineage = json.loads((folder / "lineage.json").read_text())
    assert [one["type"] for one in lineage] == ["dataset", "scores", "selection", "model", "evaluation"], kinds
    for one in lineage:
        assert one["name"] in text
    made_from = {one["type"]: [given["type"] for given in one["inputs"]] for one in lineage}
    assert made_from == {
        "dataset": [], "scores": ["dataset"], "selection": ["scores"], "model": ["selection"], "evaluation": ["model"]
    }  # fmt: skip
    assert of_kind(lines, "exit")
