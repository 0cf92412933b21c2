"""The plan says before what the run counts after, and a job that is done is known to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ufo

pytestmark = pytest.mark.smoke
WORDS = (
    *("model=tiny-rules", "dataset.num_prompts=120", "eval.rules_zone.limit=12", "eval.rules_pool.limit=8"),
    *("ratio.value=0.2", "train.per_device_train_batch_size=16", "train.gradient_accumulation_steps=2"),
    *("train.max_steps=null", "train.num_train_epochs=1.5", "train.eval_steps=3", "launch.num_ranks=2"),
    *("launch.threads_per_rank=1", "tracker=off"),
)


def planned(ufo: Ufo, *words: str) -> dict[str, Any]:
    ufo.run("plan", *words, "--json", "plan.json")
    (found,) = json.loads((ufo.folder / "plan.json").read_text())
    return found


def lines_of(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line.get("event") == event]


@pytest.mark.parametrize(
    ("selector", "signal", "more"),
    [
        ("ufo", "confidence", ("template=r1",)),  # a prompt with a beginning that all share
        ("accuracy", "pass_rate", ("signal.pass_rate.num_samples=2",)),
    ],
)
def test_the_run_counts_what_the_plan_said(ufo: Ufo, selector: str, signal: str, more: tuple[str, ...]) -> None:
    words = (*WORDS, f"selector={selector}", *more)
    plan = planned(ufo, *words)
    assert not (ufo.folder / "outputs").exists()
    ufo.run(*words)
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    metrics, training = ufo.metrics(folder), plan["training"]
    assert (metrics["num_pool"], metrics["num_selected"]) == (plan["num_pool"], plan["num_selected"])
    assert metrics["steps"] == training["steps"]
    groups = lines_of(folder, "groups")
    assert len(groups) == training["sets"]
    completions = 8 * sum(len(line["ids"]) for line in groups)
    assert completions == training["completions"] <= metrics["generated_tokens"] <= training["max_tokens"]
    cost, (said,) = metrics["signals"][signal], plan["signals"]
    assert cost["num_scored"] == said["missing"]
    assert cost["forward_tokens"] - cost["padded_tokens"] == said["forward"] and cost["prefix_tokens"] == said["prefix"]
    assert said["generated"][0] <= cost["generated_tokens"] <= said["generated"][1]
    evaluated = {name: len(list(ufo.folder.glob(f"outputs/cache/completions/{name}-*"))) for name in metrics["eval"]}
    assert set(evaluated.values()) == {plan["evaluations"]["times"]}
    assert plan["evaluations"]["completions"] == {name: one["final"]["n"] for name, one in metrics["eval"].items()}
    again = planned(ufo, *words)
    assert again["state"].startswith("done before") and again["gpu_hours"] == []
    assert again["signals"][0]["missing"] == 0 and sum(again["evaluations"]["stored"].values()) == 20
    mean = again["mean_completion_tokens"]
    assert mean["value"] == pytest.approx(metrics["generated_tokens"] / completions) and folder.name in mean["source"]
    sources = [part["source"] for part in planned(ufo, *words, "seed=1")["gpu_hours"]]
    assert sources and all(folder.name in source for source in sources)
    elsewhere = planned(ufo, *words, "seed=1", "--gpu", "h100")  # this machine's speeds are none of a GPU's
    assert {part["hours"] for part in elsewhere["gpu_hours"]} == {None} and folder.name in elsewhere[
        "mean_completion_tokens"
    ]["source"]
    longer = planned(ufo, *words, "seed=1", "train.max_completion_tokens=40")  # whose lengths nobody measured
    assert longer["mean_completion_tokens"]["value"] == 20


@pytest.mark.parametrize(
    ("trl", "steps", "sets"),
    [
        # 128 completions: 16 prompts a set, of 24 one; 128 / (16 x 2 ranks) = 4 passes, twice, 2 of them a step
        ("train.trl.generation_batch_size=128", 4, 1),
        # 32 completions: 4 prompts a set, of 24 six; 1 pass, twice, is one step
        ("train.trl.steps_per_generation=1", 6, 6),
    ],
)
def test_sets_that_are_no_step_are_counted_as_the_run_makes_them(ufo: Ufo, trl: str, steps: int, sets: int) -> None:
    words = (*WORDS, "selector=random", "train.num_train_epochs=1", "train.num_iterations=2", "train.eval_steps=null")
    plan = planned(ufo, *words, trl)
    ufo.run(*words, trl)
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    training = plan["training"]
    assert (plan["num_selected"], training["steps"], training["sets"]) == (24, steps, sets)
    assert ufo.metrics(folder)["steps"] == steps
    groups = lines_of(folder, "groups")
    assert len(groups) == sets and 8 * sum(len(line["ids"]) for line in groups) == training["completions"]
