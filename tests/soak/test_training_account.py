"""What a training says of itself: its budget, the order of its prompts, its dead groups, its completions."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import Ufo
from tests.soak.test_exact_resume import lines, stopped

pytestmark = pytest.mark.soak
SMALL = ("dataset.num_prompts=240", "tracker=off")
LINEAR = ("train.lr_scheduler_type=linear", "train.warmup_ratio=0.0", "train.save_steps=2")


def by_step(folder: Path, event: str) -> list[dict[str, Any]]:
    """The lines of a run's steps; of a step that was made again the last."""
    found = {line["step"]: line for line in lines(folder / "metrics.jsonl", event)}
    return [found[step] for step in sorted(found)]


def trained(ufo: Ufo, name: str, *words: str) -> Path:
    ufo.run(*ufo.SMALL, *SMALL, *words, f"name={name}")
    (folder,) = ufo.folder.glob(f"outputs/runs/{name}/*")
    return folder


def spent(folder: Path, unit: str) -> list[float]:
    """By step, from what the journal says of each."""
    if unit == "generated_tokens":
        return [line["tokens"] for line in by_step(folder, "groups")]
    return [line["step_time"] for line in by_step(folder, "metrics")]


@pytest.mark.parametrize(("unit", "amount"), [("generated_tokens", 6000), ("seconds", 4)])
def test_arms_end_within_a_step_of_the_same_budget(ufo: Ufo, unit: str, amount: int) -> None:
    words = (*LINEAR, f"train.max_{unit}={amount}")
    killed = stopped(ufo, "killed", (*SMALL, *words, "selector=random"), 6, signal.SIGKILL)
    folders = [trained(ufo, "killed", *words, "selector=random"), trained(ufo, "whole", *words, "selector=full")]
    assert folders[0] == killed
    for folder in folders:
        manifest = json.loads((folder / "train/manifest.json").read_text())
        total = manifest["generated_tokens" if unit == "generated_tokens" else "step_seconds"]
        by = spent(folder, unit)
        # a step's time as TRL has it leaves out what little is between its passes
        assert amount <= total < amount + by[-1] * 1.5
        assert sum(by) == pytest.approx(total, rel=0.0 if unit == "generated_tokens" else 0.2)
        assert json.loads((folder / "metrics.json").read_text())["budget"] == f"{unit}={amount}"
        for line in by_step(folder, "metrics"):
            names = ("generate", "reward", "logprobs", "update", "select", "rollouts")
            parts = [line.get(f"time/{name}", 0.0) for name in names]
            assert min(parts[:5]) > 0 and sum(parts) == pytest.approx(line["step_time"], rel=0.1, abs=0.01)
        if unit == "generated_tokens":
            rates = [line["learning_rate"] for line in by_step(folder, "metrics")]
            expected = [3e-4 * max(0.0, 1 - sum(by[:step]) / amount) for step in range(len(by))]
            assert rates == pytest.approx(expected, abs=3e-4 * 2e-6)
    assert json.loads((killed / "train/manifest.json").read_text())["resumed"]
    table = ufo.run("compare", *map(str, folders))
    assert f"matched by {unit.replace('_', ' ')}" in table


@pytest.mark.parametrize("order", ["as_ranked", "easy_first", "hard_first"])
def test_the_order_of_the_first_200_prompts(ufo: Ufo, order: str) -> None:
    folder = trained(
        ufo, order, "selector=ufo", "ratio=full", f"train.order={order}", "train.per_device_train_batch_size=64",
        "train.max_steps=25", "train.max_completion_tokens=4",
    )  # fmt: skip
    table = pq.read_table(folder / "scores.parquet").to_pylist()
    keys = {
        "as_ranked": lambda row: row["rank"],
        "easy_first": lambda row: (-row["confidence"], row["rank"]),
        "hard_first": lambda row: (row["confidence"], row["rank"]),
    }
    ids = [one for line in by_step(folder, "groups") for one in line["ids"]]
    assert len(ids) == 200 and ids == [row["id"] for row in sorted(table, key=keys[order])][:200]


def test_an_order_by_ease_that_nothing_measures_is_refused(ufo: Ufo) -> None:
    said = ufo.run(*ufo.SMALL, "selector=random", "train.order=easy_first", status=2)
    assert "train.order=easy_first goes by pass_rate or confidence, and selector=random measures neither" in said


def test_dead_groups_are_those_of_the_stored_completions(ufo: Ufo) -> None:
    folder = trained(
        ufo, "dead", "selector=full", "train.rollouts_every=1", "train.max_steps=12", "train.temperature=0.1"
    )
    tables = [pq.read_table(path).to_pylist() for path in sorted((folder / "train/rollouts").iterdir())]
    told, metrics = by_step(folder, "groups"), by_step(folder, "metrics")
    assert len(tables) == len(told) == 12
    reasons = Counter[str]()
    for table, line, numbers in zip(tables, told, metrics, strict=True):
        found = []
        for start in range(0, len(table), 8):
            group = table[start : start + 8]
            assert len({row["id"] for row in group}) == len({row["gold"] for row in group}) == 1
            totals = [row["reward/correctness"] + 0.2 * row["reward/format"] for row in group]
            assert [row["reward"] for row in group] == pytest.approx(totals)
            right = sum(row["reward/correctness"] for row in group)
            reason = (
                "" if max(totals) - min(totals) > 1e-6 else "all_right" if right == 8 else "?" if right else "all_wrong"
            )
            found.append("format_only" if reason == "all_wrong" and totals[0] else reason)
            assert (found[-1] == "") == any(row["advantage"] for row in group)
        assert found == line["dead"] and [row["id"] for row in table[::8]] == line["ids"]
        assert numbers["frac_reward_zero_std"] == pytest.approx(sum(map(bool, found)) / len(found))
        for reason in ("all_right", "all_wrong", "format_only", "same"):
            assert numbers[f"dead_groups/{reason}"] == pytest.approx(found.count(reason) / len(found))
        reasons.update(found)
    assert len(reasons) > 2, reasons
    graded = ufo.run("grade", str(folder / "train/rollouts/step-000001.parquet"))
    right = sum(row["reward/correctness"] for row in tables[0])
    assert re.search(rf"step-000001.parquet +{len(tables[0])} +{right:.0f} ", graded), graded
