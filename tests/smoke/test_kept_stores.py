"""Stores that commit b2a900b wrote (scores, samples, completions, evaluations of the lab) are found: nothing is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import SmallRun, Ufo
from ufo_rl.config.compose import compose_one
from ufo_rl.config.load import load
from ufo_rl.experiment.pipeline import Pipeline
from ufo_rl.experiment.prepare import prepare
from ufo_rl.files.store import Store
from ufo_rl.grader.math import MathGrader
from ufo_rl.tracking.sink import Tracker

pytestmark = pytest.mark.smoke
STORES = Path(__file__).parents[1] / "data/stores_b2a900b"
POOL = (
    "dataset.num_prompts=96",
    "ratio=20pct",
    "signal.pass_rate.num_samples=4",
    "train.per_device_train_batch_size=16",
)
BENCHMARK = ("model=tiny", "eval.arithmetic.dataset.num_prompts=24", "eval.arithmetic.size=24")


def measured(selector: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The accounts of the selector's signals, and selection.json, without any rank that could be started."""
    job = compose_one([*POOL, *BENCHMARK, f"selector={selector}"], None, None, "test")
    config = load(job.plain)
    folder.mkdir()
    pipeline = Pipeline(config, job.plain, folder, prepare(config), Tracker(), attempt=1, enter=forbid)
    pipeline.stages.begin()
    for name in config.eval:
        pipeline.evaluations().base(name)
    signals = pipeline.signals()
    accounts = {name: signals.collect(name) for name in pipeline.prepared.selector.signals}
    pipeline.select(signals, pipeline.columns(signals))
    return accounts, json.loads((folder / "selection.json").read_text())


def forbid(stage: str) -> None:
    raise AssertionError(f"stage {stage} was started")


@pytest.mark.parametrize(("selector", "signal", "rows"), [("ufo", "confidence", 96), ("accuracy", "pass_rate", 4 * 96)])
def test_signals_base_evaluation_and_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selector: str, signal: str, rows: int
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(STORES / "cache", tmp_path / "outputs/cache")
    assert MathGrader.version != 5  # pass rates are verdicts: the completions of the kept samples are graded again
    accounts, selection = measured(selector, tmp_path / "run")
    assert (accounts[signal]["num_scored"], accounts[signal]["num_cached"]) == (0, rows)
    before = json.loads((STORES / "selections.json").read_text())[selector]
    assert {name: selection[name] for name in before} == before


def test_a_rank_that_is_started_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="stage base_eval was started"):
        measured("ufo", tmp_path / "run")


def test_completions_by_the_command(ufo: Ufo) -> None:
    shutil.copytree(STORES / "cache", ufo.folder / "outputs/cache")
    asked = ("evaluate", *BENCHMARK, "launch.threads_per_rank=1", "tracker=off")
    greedy = ufo.run(*asked)
    sampled = ufo.run(*asked, "eval.arithmetic.temperature=1.0", "eval.arithmetic.num_samples=2")
    for output in (greedy, sampled):
        assert "generating" not in output  # graded anew, by a later grader
    # another grader's verdicts, from the same completions
    assert "generating" not in ufo.run(*asked, "grader.max_chars=1999")


def test_what_a_run_measures_anew_is_what_it_measured_then(small_run: SmallRun) -> None:
    """Scores within 1e-5, the same selection, base evaluation and training metrics, of the run that b2a900b left."""
    (before,) = (STORES.parent / "schema_1/runs/dev").glob("tiny-arithmetic-ufo-20pct-*")
    store = Store.at(next(STORES.glob("cache/signals/confidence-*")))
    then = {row["id"]: row["mean_logprob"] for row in store.read(None, ("id", "mean_logprob")).to_pylist()}
    now = {row["id"]: row["mean_logprob"] for row in pq.read_table(small_run.folder / "scores.parquet").to_pylist()}
    assert then.keys() == now.keys() and max(abs(then[i] - now[i]) for i in then) < 1e-5
    for name in ("selection.json", "pool.json"):
        old, new = (json.loads((folder / name).read_text()) for folder in (before, small_run.folder))
        assert old == new, name
    summary = json.loads((before / "metrics.json").read_text())
    found = small_run.ufo.metrics(small_run.folder)["eval"]["arithmetic"]
    assert found["base"]["accuracy"] == summary["arithmetic_base"]
    old_steps, new_steps = steps(before), steps(small_run.folder)
    assert len(old_steps) == len(new_steps) == 2
    for old, new in zip(old_steps, new_steps, strict=True):
        assert {name: new.get(name) for name in old} == pytest.approx(old, abs=1e-6)


def steps(folder: Path) -> list[dict[str, Any]]:
    """What training's journal says of each step, but for times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = [line for line in lines if line["stage"] == "train" and line["event"] == "metrics"]
    passing = ("time", "attempt", "step_time", "num_tokens_per_second")
    return [{k: v for k, v in line.items() if k not in passing and isinstance(v, int | float)} for line in kept]
