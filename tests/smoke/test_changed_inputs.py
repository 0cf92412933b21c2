"""A run is done for the data and weights that were there: when they change under the same configuration, it runs again."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Ufo

pytestmark = pytest.mark.smoke


def test_a_changed_dataset_file_is_noticed(ufo: Ufo) -> None:
    rows = [{"question": f"{i}+{j}=?", "answer": str(i + j)} for i in range(1, 6) for j in range(1, 6)]
    data = ufo.folder / "mine.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    command = [a for a in ufo.SMALL if not a.startswith("dataset.")]
    command += ["dataset=custom", "dataset.path=mine.jsonl", "selector=random", "ratio=50pct", "train.max_steps=1"]
    ufo.run(*command)
    assert "done before" in ufo.run(*command)
    data.write_text("\n".join(map(json.dumps, rows[:-1])))
    output = ufo.run(*command)
    assert "done before" not in output and "pool: 24 prompts of 24 rows" in output
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    assert ufo.metrics(folder)["num_selected"] == 12
    assert json.loads((folder / "selection.json").read_text())["num_pool"] == 24
    for row in rows:
        row["answer"] += "0"
    data.write_text("\n".join(map(json.dumps, rows[:-1])))
    output = ufo.run(*command)  # the same questions are kept, but their corrected answers need another training
    assert "kept 12 of 24" in output and "training on 12 prompts" in output
    assert set(ufo.metrics(folder)["seconds"]) == {"base_eval", "train", "eval", "total"}


def test_an_edited_solution_is_scored_again(ufo: Ufo) -> None:
    rows = [{"question": f"{i}+2=?", "answer": str(i + 2), "why": f"{i} and 2 are {i + 2}"} for i in range(1, 25)]
    data = ufo.folder / "mine.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    command = [a for a in ufo.SMALL if not a.startswith("dataset.")]
    command += ["dataset=custom", "dataset.path=mine.jsonl", "dataset.solution=why", "train.max_steps=1"]
    command += ["signal.confidence.target=solution", "selector=ufo", "ratio=50pct"]
    ufo.run(*command)
    assert "done before" in ufo.run(*command)
    for row in rows[:3]:  # questions and answers stay
        row["why"] += ", as can be counted"
    data.write_text("\n".join(map(json.dumps, rows)))
    output = ufo.run(*command)
    assert "done before" not in output and "confidence: measuring 3 of 24 prompts" in output
