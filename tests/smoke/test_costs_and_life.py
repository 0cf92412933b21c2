"""A real run: what it shows while it runs, which threads it used, and what became of its seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SmallRun

pytestmark = pytest.mark.smoke
STAGES = ["base_eval", "score", "train", "eval"]
PHASES = ["startup", "measuring", "waiting"]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def journal(small_run: SmallRun) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (small_run.folder / "metrics.jsonl").read_text().splitlines()]


def test_every_stage_says_at_once_that_it_begins_and_then_what_it_does(small_run: SmallRun) -> None:
    for stage in STAGES:
        assert f"{stage}: starting 1 rank" in small_run.told
        lines = [line for line in journal(small_run) if line["stage"] == stage and line["event"] in ("start", "phase")]
        words = [line["words"] for line in lines if line.get("words")]
        first = "first step" if stage == "train" else "first batch"
        assert words[:3] == ["loading libraries", "loading the model", first]


def test_training_shows_its_reward_from_the_first_step_to_the_last(small_run: SmallRun) -> None:
    steps = [line for line in journal(small_run) if line["stage"] == "train" and line["event"] == "metrics"]
    told = re.findall(
        r"train: (\d) of 2 steps.*; reward (\S+) \(correctness (\S+), format (\S+)\), (.*)", small_run.told
    )
    assert [int(one[0]) for one in told] == [1, 2]
    for line, (_, *parts, rest) in zip(steps, told, strict=True):
        names = ("reward", "rewards/correctness/mean", "rewards/format/mean")
        assert [float(part) for part in parts] == pytest.approx([line[name] for name in names], abs=0.005)
        length, dead = line["completions/mean_length"], line["frac_reward_zero_std"]
        told = f"{length:.0f} tokens a completion, {{:.0f}} % truncated, {100 * dead:.0f} % dead groups, gradient norm {{:.2g}}"
        assert rest == told.format(100 * line["completions/clipped_ratio"], line["grad_norm"])


def test_seconds_are_start_up_measuring_and_waiting(small_run: SmallRun) -> None:
    metrics = read(small_run.folder / "metrics.json")
    assert list(metrics["phases"]) == STAGES
    for stage, own in metrics["phases"].items():
        assert list(own) == PHASES and min(own.values()) >= 0
        assert sum(own.values()) == pytest.approx(metrics["seconds"][stage])
        assert own["startup"] > 0 and own["measuring"] > 0
    costs = metrics["signals"]["confidence"]
    assert costs["cost_startup_seconds"] > 0 and costs["cost_measuring_seconds"] > 0
    parts = costs["cost_startup_seconds"] + costs["cost_measuring_seconds"]
    assert parts == pytest.approx(costs["cost_seconds"]) and parts < metrics["seconds"]["score"] + 0.1
    assert costs["cost_measuring_device_seconds"] == pytest.approx(costs["cost_measuring_seconds"])  # one rank
    assert f"measuring {costs['cost_measuring_seconds']:.1f})" in small_run.told


def test_the_threads_of_a_run_are_recorded_as_they_were(small_run: SmallRun) -> None:
    """threads_per_rank=1 of the command line wins over the OMP_NUM_THREADS=3 that this run is started with."""
    hardware = read(small_run.folder / "run.json")["hardware"]
    assert (hardware["threads_per_rank"], hardware["threads_from"]) == (1, "launch.threads_per_rank")
    metrics = read(small_run.folder / "metrics.json")
    assert metrics["signals"]["confidence"]["threads_per_rank"] == 1
    assert read(small_run.folder / "train/manifest.json")["threads"] == 1
