"""Stores that commit b2a900b wrote (scores, samples, completions, evaluations of the lab) are found: nothing is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ufo
from ufo_rl.config.compose import compose_one
from ufo_rl.config.load import load
from ufo_rl.experiment.pipeline import Pipeline
from ufo_rl.experiment.prepare import prepare
from ufo_rl.tracking.sink import Tracker

pytestmark = pytest.mark.smoke
STORES = Path(__file__).parents[1] / "data/stores_b2a900b"
POOL = (
    "dataset.num_prompts=96",
    "ratio=20pct",
    "signal.pass_rate.num_samples=4",
    "train.per_device_train_batch_size=16",
)
BENCHMARK = ("eval.arithmetic.dataset.num_prompts=24", "eval.arithmetic.size=24")


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
        assert "(stored)" in output and "generating" not in output
    # another grader's verdicts, from the same completions
    assert "generating" not in ufo.run(*asked, "grader.max_chars=1999")
