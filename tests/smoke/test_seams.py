"""Every kind of part from a folder of the user's: nothing of ours is edited, nothing installed, no PYTHONPATH to them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import Ufo
from tests.smoke.test_multirun import inspect

pytestmark = pytest.mark.smoke
PARTS = Path(__file__).parents[1] / "data/own_parts"
RUN = (
    *(
        "-cd",
        "conf",
        "plugins=[mylab]",
        "model=tiny",
        "dataset=sums",
        "template=asking",
        "signal=[digits]",
        "selector=few_digits",
    ),
    *("ratio=50pct", "grader=digits", "reward=hints", "train=brief", "eval=easy", "model.max_completion_tokens=32"),
    *("deepspeed=off", "launch.threads_per_rank=1", "tracker=offline"),
)


@dataclass(frozen=True)
class Done:
    """One run with all of them."""

    ufo: Ufo
    folder: Path
    output: str

    @property
    def metrics(self) -> dict[str, Any]:
        return json.loads((self.folder / "metrics.json").read_text())

    def scores(self) -> list[dict[str, Any]]:
        return pq.read_table(self.folder / "scores.parquet").to_pylist()

    def answers(self) -> list[dict[str, Any]]:
        return pq.read_table(self.folder / "eval/easy/questions.parquet").to_pylist()

    def steps(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]
        return [line for line in lines if line["stage"] == "train" and line["event"] == "metrics"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("own") / "mine"
    shutil.copytree(PARTS, folder)
    ufo = Ufo(folder)
    ufo.from_this_checkout_alone()
    output = ufo.run(*RUN)
    (run,) = folder.glob("outputs/runs/dev/*")
    return Done(ufo, run, output)


def test_dataset_and_template(done: Done) -> None:
    assert done.metrics["num_pool"] == 60 and done.folder.name.startswith("tiny-sums-few_digits-50pct-s0-")
    assert all("Q " in row["prompt"] and "template asking" in done.output for row in done.answers())


def test_signal_in_scores_selection_tracker_and_comparison(done: Done) -> None:
    rows = done.scores()
    assert len(rows) == 60 and {row["digits"] for row in rows} == {2, 3}  # 0+0=? to 59+3=?
    account = done.metrics["signals"]["digits"]
    assert (account["num_scored"], account["num_cached"]) == (60, 0) and account["cost_seconds"] > 0
    compared = done.ufo.run("compare", "outputs/runs")
    assert "digits " in compared and "s for 60 prompts" in compared
    (tracked,) = (done.ufo.folder / "outputs/wandb").glob("offline-run-*")
    summary = inspect(tracked)["summary"]
    assert "score/digits" in summary and "select/prompts" in summary  # a histogram, and the table


def test_selector_gets_every_column(done: Done) -> None:
    """Fewest digits first, then the least hint: numbers 0 to 59 with i % 7 behind them, so 0 to 29 by length and value."""
    kept = json.loads((done.folder / "selection.json").read_text())["ids"]
    by_rank = sorted(done.scores(), key=lambda row: row["rank"])
    assert sorted(row["id"] for row in by_rank[:30]) == kept
    assert [row["digits"] for row in by_rank] == sorted(row["digits"] for row in by_rank)


def test_a_column_that_nobody_has_is_told_before_anything_is_measured(done: Done) -> None:
    file = done.ufo.folder / "mylab/selectors.py"
    text = file.read_text()
    try:
        file.write_text(text.replace('"hint", "question"', '"hinnt", "question"'))
        output = done.ufo.run(*RUN, "name=other", status=2)
    finally:
        file.write_text(text)
    assert (
        'selector=few_digits reads the column hinnt, which neither the dataset nor its signals have; did you mean "hint"?'
        in output
    )
    assert not (done.ufo.folder / "outputs/runs/other").exists()


def test_grader_decides_rewards_and_evaluation(done: Done) -> None:
    answers = done.answers()
    digits = [sum(map(str.isdigit, row["completion"])) for row in answers]
    assert [row["correct"] for row in answers] == [number >= 6 for number in digits]
    assert {row["method"] for row in answers} == {"digits"}
    found = done.metrics["eval"]["easy"]["final"]
    assert (
        found["accuracy"] == fmean(number >= 6 for number in digits) and found["n"] == 12
    )  # a benchmark of YAML alone
    rewards = [step["rewards/correctness/mean"] for step in done.steps()]
    assert max(rewards) > 0  # no reference answer is a number: mathematics would find none right


def test_grader_grades_files(done: Done) -> None:
    rows = [{"gold": "x", "hint": 1, "completion": "1234567"}, {"gold": "x", "hint": 2, "completion": "12"}]
    (done.ufo.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("grade", "rows.jsonl", "-cd", "conf", "grader=digits", "plugins=[mylab]")
    assert " 2      1      50.0 " in done.ufo.run(*command)
    (done.ufo.folder / "bare.jsonl").write_text(json.dumps({"gold": "x", "completion": "1"}))
    assert "bare.jsonl:1: no column hint, which the grader reads" in done.ufo.run(
        command[0], "bare.jsonl", *command[2:], status=2
    )


def test_reward_gets_its_column_and_recipe_its_options(done: Done) -> None:
    first, second = done.steps()
    assert 0 < first["rewards/near/mean"] < 1 and first["own/mean_hint"] > 0
    assert first["reward"] == pytest.approx(
        first["rewards/correctness/mean"] + 0.5 * first["rewards/near/mean"], abs=1e-4
    )
    assert second["learning_rate"] <= 1e-4
    log = (done.folder / "config.yaml").read_text()
    assert "importance_sampling_level: sequence" in log and "name: brief" in log


def test_a_fact_in_metrics_summary_and_comparison(done: Done) -> None:
    (fact,) = [one for one in done.metrics["facts"] if one["part"] == "selector few_digits"]
    kept = [row["digits"] for row in done.scores() if row["kept"]]
    assert fact["value"] == pytest.approx(fmean(kept)) and fact["key"] == "kept_digits"
    assert f"{fmean(kept):.2f} digits in a kept prompt" in done.output
    assert "digits kept" in done.ufo.run("compare", "outputs/runs")


def test_a_command_is_listed_and_run(done: Done) -> None:
    assert "ufo-rl hello NAME   a command of one's own" in done.ufo.run("help")
    assert done.ufo.run("hello", "you") == "hello you\n"
    assert "did you mean" in done.ufo.run("helo", status=2)


def test_a_command_finds_the_packages_beside_it_by_itself(tmp_path: Path) -> None:
    """As the console script: Python itself does not look where the command starts (-P)."""
    folder = tmp_path / "mine"
    shutil.copytree(PARTS, folder)
    ufo = Ufo(folder)
    ufo.from_this_checkout_alone()
    ufo.flags = ("-P",)
    assert ufo.run("hello", "you") == "hello you\n"


@pytest.mark.soak
def test_a_second_start_measures_nothing(done: Done) -> None:
    assert "done before" in done.ufo.run(*RUN)
    output = done.ufo.run(*RUN, "ratio=full", "train.max_steps=1", "name=more")
    assert "digits: all 60 prompts are stored" in output and "(stored)" in output
