"""A run is done for the data and weights that were there: when they change under the same configuration, it runs again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Ufo
from tests.scoring_only import collect
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment import data
from ufo_rl.experiment.life import inputs_key
from ufo_rl.experiment.prepare import prepare

pytestmark = pytest.mark.smoke


@pytest.mark.soak
def test_a_changed_dataset_file_is_noticed(ufo: Ufo) -> None:
    rows = [{"question": f"{i}+{j}=?", "answer": str(i + j)} for i in range(1, 6) for j in range(1, 6)]
    path = ufo.folder / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    command = [a for a in ufo.SMALL if not a.startswith("dataset.")]
    command += [
        "model=tiny",
        "dataset=custom",
        "dataset.path=mine.jsonl",
        "selector=random",
        "ratio=50pct",
        "train.max_steps=1",
    ]
    ufo.run(*command)
    assert "done before" in ufo.run(*command)
    path.write_text("\n".join(map(json.dumps, rows[:-1])))
    output = ufo.run(*command)
    assert "done before" not in output and "pool: 24 prompts of 24 rows" in output
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    assert ufo.metrics(folder)["num_selected"] == 12
    assert json.loads((folder / "selection.json").read_text())["num_pool"] == 24
    for row in rows:
        row["answer"] += "0"
    path.write_text("\n".join(map(json.dumps, rows[:-1])))
    output = ufo.run(*command)  # the same questions are kept, but their corrected answers need another training
    assert "kept 12 of 24" in output and "training on 12 prompts" in output
    assert set(ufo.metrics(folder)["seconds"]) == {"base_eval", "train", "eval", "total"}


@pytest.mark.soak
def test_an_edited_solution_is_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"{i}+2=?", "answer": str(i + 2), "why": f"{i} and 2 are {i + 2}"} for i in range(1, 25)]
    command = ["model=tiny", "dataset=custom", "dataset.path=mine.jsonl", "dataset.solution=why", "ratio=50pct"]
    command += ["eval=arithmetic", "signal.confidence.target=solution", "launch.threads_per_rank=1"]
    keys, scored = [], []
    for num_edited in (0, 3):  # questions and answers stay
        for row in rows[:num_edited]:
            row["why"] += ", as can be counted"
        Path("mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
        config = load(compose_jobs(command)[0].plain)
        for remembered in (data._load, data._graded):
            remembered.cache_clear()  # another command is another process
        keys.append(inputs_key(config, prepare(config)))
        scored.append(collect(command)[0]["num_scored"])
    assert keys[0] != keys[1] and scored == [24, 3]
