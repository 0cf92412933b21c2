"""Jobs are on disk before the first starts, and nothing that is known of them is lost by that."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import run_id
from ufo_rl.experiment.planned import announce
from ufo_rl.report.ledger.entries import entries

WORDS = ["-m", "model=tiny", "selector=ufo,random", "seed=0,1"]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs/sweeps/dev"


def test_every_job_is_written_down_with_what_was_typed(sweep: Path) -> None:
    jobs = compose_jobs(WORDS[1:], multirun=True)
    announce(jobs, WORDS)
    found = {entry.name: entry for entry in entries([sweep])}
    assert set(found) == {run_id(job.plain) for job in jobs} and len(found) == 4
    assert {entry.state.name for entry in found.values()} == {"planned"}
    assert {entry.started_by for entry in found.values()} == {"ufo-rl -m model=tiny selector=ufo,random seed=0,1"}
    assert {(entry.value("selector"), entry.value("seed")) for entry in found.values()} == {
        (selector, seed) for selector in ("ufo", "random") for seed in ("0", "1")
    }
    for job in jobs:
        assert yaml.safe_load((job.folder / "config.yaml").read_text()) == job.plain


def test_the_command_of_a_job_of_a_sweep_makes_that_job_again(sweep: Path) -> None:
    folder = str(Path(__file__).parents[2] / "sweeps")
    announce(compose_jobs(["seed=10,11"], folder, "bins"), ["-cd", folder, "-cn", "bins", "seed=10,11"])
    records = [json.loads(path.read_text()) for path in sorted(Path("outputs/sweeps/bins").glob("*/run.json"))]
    assert len(records) == 20
    for record in records[::7]:
        flag, there, name_flag, name, *words = shlex.split(record["command"])[1:]
        (job,) = compose_jobs(words, there, name)
        assert (flag, name_flag, job.folder.name) == ("-cd", "-cn", record["id"])


def test_what_is_known_of_a_job_stays(sweep: Path) -> None:
    jobs = compose_jobs(WORDS[1:], multirun=True)
    done, failed = jobs[0].folder, jobs[1].folder
    for folder, state in ((done, "completed"), (failed, "failed")):
        folder.mkdir(parents=True)
        (folder / "status.json").write_text(json.dumps({"state": state, "stage": "train", "error": "no memory"}))
        (folder / "run.json").write_text(
            json.dumps({"id": folder.name, "wandb_id": "abcd1234", "started_by": "before"})
        )
    (done / "metrics.json").write_text('{"schema": 2}')
    (done / "config.yaml").write_text("seed: 0\n")
    announce(jobs, WORDS)
    assert json.loads((done / "run.json").read_text())["started_by"] == "before"
    record = json.loads((failed / "run.json").read_text())
    assert record["wandb_id"] == "abcd1234" and record["started_by"].startswith("ufo-rl -m")
    states = {entry.name: entry.state.name for entry in entries([sweep])}
    assert (states[done.name], states[failed.name], list(states.values()).count("planned")) == (
        "completed",
        "failed",
        2,
    )


def test_a_folder_named_by_its_moment_is_not_guessed(sweep: Path, tmp_path: Path) -> None:
    jobs = compose_jobs([*WORDS[1:], "hydra.sweep.dir=outputs/${now:%H-%M-%S}"], multirun=True)
    announce(jobs, WORDS)
    assert not (tmp_path / "outputs").exists()


def test_a_host_that_serves_another_plans_nothing(sweep: Path, tmp_path: Path) -> None:
    words = ["model=tiny", "launch.num_ranks=2", "launch.num_nodes=2", "launch.rendezvous=n:1", "launch.node_rank=1"]
    announce(compose_jobs(words), words)
    assert not (tmp_path / "outputs").exists()
