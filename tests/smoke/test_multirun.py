"""A sweep: a folder and a W&B run a job, one scoring, a failure that stops nobody, a second start that does the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ufo

pytestmark = pytest.mark.smoke
# overlap_comm is DeepSpeed's own key: what it holds is known to be wrong only when DeepSpeed reads it
SWEEP = (
    "-m",
    "selector=ufo",
    "deepspeed=zero2",
    "+deepspeed.config.zero_optimization.overlap_comm=nonsense,false",
    "tracker=offline",
    "ratio=20pct",
    "name=planted",
)


def inspect(folder: Path) -> dict[str, Any]:
    """State, configuration and last values of an offline run, by W&B's own reader."""
    (path,) = folder.glob("run-*.wandb")
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.soak
def test_a_sweep_with_a_planted_failure(ufo: Ufo) -> None:
    output = ufo.run(*ufo.SMALL, *SWEEP, status=1)
    assert "Traceback" not in output
    folders = sorted((ufo.folder / "outputs/sweeps/planted").glob("tiny-*"))
    states = {f: json.loads((f / "status.json").read_text()) for f in folders}
    assert len(folders) == 2
    failed = [f for f in folders if states[f]["state"] == "failed"]
    done = [f for f in folders if states[f]["state"] == "completed"]
    assert len(failed) == len(done) == 1  # the first failed, the second went on
    for folder in failed:
        assert "overlap_comm" in (folder / "error.txt").read_text() + (folder / "logs/train.log").read_text()
        assert f"{folder.name} did not complete: " in output and not (folder / "metrics.json").exists()
    # one scoring for both jobs
    assert len(list((ufo.folder / "outputs/cache/signals").glob("confidence-*/chunk-*.parquet"))) == 1

    runs = [inspect(f) for f in sorted((ufo.folder / "outputs/wandb").glob("offline-run-*"))]
    assert len(runs) == 2 and len({json.loads((f / "run.json").read_text())["wandb_id"] for f in folders}) == 2
    assert ("finished", 0) in [(run["state"], run["exit_code"]) for run in runs]
    assert sorted(run["exit_code"] for run in runs) == [0, 1]
    assert [run["config"]["choice/selector"] for run in runs] == ["ufo", "ufo"]
    assert {word for run in runs for word in run["name"].split("-") if "overlap" in word} == {
        "overlap_comm=nonsense",
        "overlap_comm=false",
    }
    for run in runs:
        assert run["config"]["ratio"] == {"value": 0.2} and run["config"]["seed"] == 0
        assert (
            run["name"] in [json.loads((f / "run.json").read_text())["display_name"] for f in folders]
            and run["project"] == "ufo-rl"
        )
        assert {"tiny", "arithmetic"} <= set(run["tags"])
    finished = [run["summary"] for run in runs if run["exit_code"] == 0]
    for key in (
        "train/reward",
        "eval/arithmetic_accuracy",
        "select/prompts",
        "eval/arithmetic_questions",
        "arithmetic_final",
        "seconds_train",
        "n_selected",
    ):
        assert all(key in summary for summary in finished), key
    assert all("score/confidence" in summary for summary in finished)

    again = ufo.run(*ufo.SMALL, *SWEEP, status=1)
    assert again.count("done before") == 1
    assert len(list((ufo.folder / "outputs/wandb").glob("offline-run-*"))) == 3  # the failed one alone was tried again
