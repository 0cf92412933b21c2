"""`ufo-rl score` and `ufo-rl select`: the first stages of a run alone, by the run's own code and stores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import SmallRun, Ufo
from ufo_rl.model.weights import packaged

pytestmark = pytest.mark.smoke
FOLDER = packaged("package:lab/tiny")
LAB = ("model=tiny", "dataset.num_prompts=96", "launch.threads_per_rank=1", "tracker=off")
# What a run would refuse: a batch of broken groups, and benchmarks that are not there.
UNUSED = ("train.per_device_train_batch_size=7", "eval=[math500]", "reward.parts.format.weight=0.25")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ufo, str]:
    ufo = Ufo(tmp_path_factory.mktemp("score"))
    return ufo, ufo.run("score", *LAB, *UNUSED)


def keys(outputs: Path) -> dict[str, set[str]]:
    """The stores of signals, and the keys of their rows."""
    return {
        folder.name: {
            key for chunk in folder.glob("chunk-*.parquet") for key in pq.read_table(chunk)["key"].to_pylist()
        }
        for folder in outputs.glob("cache/signals/*")
    }


def test_scores_are_a_table_that_people_read_and_nothing_else_is_done(scored: tuple[Ufo, str]) -> None:
    ufo, output = scored
    (folder,) = ufo.folder.glob("outputs/scores/dev/*")
    rows = pq.read_table(folder / "scores.parquet").to_pylist()
    assert (
        len(rows) == 96 and {"id", "question", "answer", "solution", "level", "confidence", "tokens"} <= rows[0].keys()
    )
    assert "rank" not in rows[0] and not (ufo.folder / "outputs/runs").exists()
    summary = json.loads((folder / "summary.json").read_text())
    values = sorted(row["confidence"] for row in rows)
    confidence = summary["measures"]["confidence"]
    assert (confidence["n"], confidence["min"], confidence["max"]) == (96, values[0], values[-1])
    assert confidence["median"] == pytest.approx((values[47] + values[48]) / 2, abs=1e-12)
    assert summary["signals"]["confidence"]["num_scored"] == 96 and "pass_rate" not in summary["signals"]
    assert "96 measured, 0 found stored" in output and str(folder.relative_to(ufo.folder) / "scores.parquet") in output


def test_a_run_measures_nothing_of_what_was_scored(scored: tuple[Ufo, str], small_run: SmallRun) -> None:
    """The stores have the names and the keys of those of a run with the same prompts."""
    assert keys(scored[0].folder / "outputs") == keys(small_run.ufo.folder / "outputs")


def test_a_selection_is_that_of_the_run_and_a_file_for_any_trainer(ufo: Ufo, small_run: SmallRun) -> None:
    shutil.copytree(small_run.ufo.folder / "outputs/cache", ufo.folder / "outputs/cache")
    output = ufo.run("select", *LAB, *UNUSED, *small_run.ARGUMENTS)
    assert "0 measured, 96 found stored" in output and "19 of 96 prompts kept by selector ufo, seed 0" in output
    (folder,) = ufo.folder.glob("outputs/selections/dev/tiny-arithmetic-ufo-20pct-s0-*")
    ids = json.loads((small_run.folder / "selection.json").read_text())["ids"]
    assert json.loads((folder / "selection.json").read_text())["ids"] == ids
    assert (folder / "scores.parquet").read_bytes() == (small_run.folder / "scores.parquet").read_bytes()
    rows = [json.loads(line) for line in (folder / "selected.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in rows) == ids
    for row in rows:
        assert row["prompt"][-1]["role"] == "user" and row["question"] in row["prompt"][-1]["content"]
        assert row["reward_model"]["ground_truth"] == row["answer"]


def test_a_base_model_is_given_texts(ufo: Ufo) -> None:
    """The lab's model without its chat template: nothing can make messages of its prompts."""
    shutil.copytree(FOLDER, ufo.folder / "base", ignore=shutil.ignore_patterns("chat_template.jinja"))
    words = ("model.path=base", "template=plain", "dataset=arithmetic", *LAB[1:], "selector=random", "eval=[]")
    ufo.run("select", *words)
    (file,) = ufo.folder.glob("outputs/selections/dev/*/selected.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 9 and all(row["prompt"] == f"Question: {row['question']}\nAnswer:" for row in rows)


def test_columns_of_the_dataset_are_in_both_files_and_benchmarks_are_read_to_be_removed_only(ufo: Ufo) -> None:
    rows = [{"question": f"{i}+{i}=?", "answer": str(2 * i), "source": "book", "prompt": f"old {i}"} for i in range(8)]
    (ufo.folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    custom = ("dataset=custom", "dataset.path=mine.jsonl", "dataset.question=question", "dataset.answer=answer")
    words = ("select", "model=tiny", *custom, *LAB[2:], "selector=random", "ratio.value=0.5")
    ufo.run(*words, "eval=[gsm8k]", f"paths.data={ufo.folder}")
    (folder,) = ufo.folder.glob("outputs/selections/dev/*")
    for row in map(json.loads, (folder / "selected.jsonl").read_text().splitlines()):
        assert row["source"] == "book" and row["prompt_given"].startswith("old") and row["prompt"][0]["role"]
    table = pq.read_table(folder / "scores.parquet")
    assert table["source"].to_pylist() == ["book"] * 8 and sum(table["kept"].to_pylist()) == 4
    output = ufo.run(*words, "eval=[gsm8k]", f"paths.data={ufo.folder}", "contamination.remove=true", status=2)
    assert "gsm8k" in output and "Traceback" not in output


def test_mistakes_are_told_before_anything_is_measured(ufo: Ufo) -> None:
    assert "score: no signal to measure (selector=random needs none); name signal=[confidence,pass_rate]" in ufo.run(
        "score", "selector=random", status=2
    )
    output = ufo.run("select", "selector=accuracy", "signal=[confidence]", "ratio.value=2", status=2)
    assert "ratio.value=2 must be" in output and "needs the signal pass_rate" in output
    assert not (ufo.folder / "outputs").exists()
