"""Run folders with results worked out by hand, in the layout that runs write.

metrics.json, tables of questions, summaries and journals come from the functions that a run calls. The other files are those
of a real run with some values changed; tests/smoke/test_layout.py holds them against a run of today.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ufo_rl.config.schema import Benchmark
from ufo_rl.evaluation.benchmark import judge, summarise
from ufo_rl.files.atomic import write_json
from ufo_rl.files.journal import Journal
from ufo_rl.records import Fact, Graded, Prompt
from ufo_rl.report.facts import fact_records
from ufo_rl.report.metrics import run_metrics

REAL = Path(__file__).parent / "data/schema_1/runs/dev/tiny-arithmetic-ufo-20pct-s0-b4e240be"
NUM_QUESTIONS = 500
BENCHMARK = Benchmark({}, NUM_QUESTIONS, None, 16, 1, 0.0, 0, [], None, None)
CACHE = "cache/evaluations/math500-abc"
NUM_MEASURED = {"confidence": 2000, "pass_rate": 32000}  # of 2,000 prompts: one pass each, 16 samples each


@cache
def answers(wrong: range | frozenset[int]) -> tuple[pa.Table, dict[str, Any]]:
    """Of a benchmark of 500 questions, those of `wrong` answered wrong: its table and its summary."""
    prompts = [Prompt(f"q{i:03}", f"{i}=?", str(i)) for i in range(NUM_QUESTIONS)]
    said = [
        {"sample": 0, "completion": "wrong" if i in wrong else "right", "generated_tokens": 5, "finish": "stop"}
        for i in range(NUM_QUESTIONS)
    ]

    def grade_all(_: Sequence[Any], completions: Sequence[str]) -> list[Graded]:
        return [Graded(text == "right", text, "exact") for text in completions]

    rows = list(judge([(prompt, prompt.question) for prompt in prompts], said, grade_all))
    return pa.Table.from_pylist(rows), summarise("math500", BENCHMARK, NUM_QUESTIONS, rows, str.__eq__)


def plant(
    outputs: Path,
    selector: str,
    wrong: range | frozenset[int],
    *,
    ratio: float = 0.1,
    seed: int = 0,
    steps: int = 30,
    epochs: float = 2.5,
    train_seconds: float = 60.0,
    signals: dict[str, float] | None = None,
    spearman: dict[str, float] | None = None,
    rewards: Sequence[float] = (),
    status: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    facts: Mapping[str, Iterable[Fact]] | None = None,
) -> Path:
    """One run folder in a sweep; the base model has 300 of the 500 questions right (0 to 299)."""
    run_id = f"tiny-{selector}-{ratio}-{seed}-{steps}"
    folder = outputs / "sweeps" / "demo" / run_id
    base, final = answers(range(300, 500)), answers(wrong)
    for place, (table, found) in ((outputs / CACHE, base), (folder / "eval" / "math500", final)):
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, place / "questions.parquet")
        write_json(place / "manifest.json", found)
    write_json(folder / "base_eval/math500.json", {"cache": CACHE, **base[1]})
    _config(folder, selector, ratio, seed, steps, config or {})
    choices = {"model": "tiny", "dataset": "arithmetic", "selector": selector}  # groups of today's runs
    _changed(folder, "run.json", id=run_id, created="2026-11-23T08:00:00+0000", choices=choices)
    state = status or {"state": "completed", "stage": "eval"}
    _changed(folder, "status.json", **state)
    _changed(folder, "pool.json", rows=2010, prompts=2000, dropped={"duplicate": 8, "too_long": 2})
    _changed(folder, "selection.json", num_pool=2000, num_kept=200, tie_share=0.25, near_cut=12)
    for i, reward in enumerate(rewards):
        Journal(folder / "metrics.jsonl", "train", 1).write("metrics", step=i + 1, reward=reward)
    if state["state"] != "completed":
        return folder
    metrics = run_metrics(
        num_pool=2000,
        num_selected=2000 if selector == "full" else 200,
        trained={"steps": steps, "epochs": epochs, "generated_tokens": 9000},
        budget=f"steps={steps}",
        signals={
            name: {
                **{"cost_seconds": cost, "cost_startup_seconds": 1.0, "cost_measuring_seconds": cost - 1.0},
                **{"cost_measuring_device_seconds": 2 * (cost - 1.0), "num_prompts": 2000},
                **{"num_scored": 0, "num_cached": NUM_MEASURED[name]},
            }
            for name, cost in (signals or {}).items()
        },
        spearman=spearman,
        base={"math500": base[1]},
        final={"math500": final[1]},
        seconds={"base_eval": 1.0, "score": 0.0, "train": train_seconds, "eval": 20.0, "total": 90.0},
        gpu_hours=None,
        phases={
            "score": {"startup": 0.0, "measuring": 0.0, "waiting": 0.0},
            "train": {"startup": 9.5, "measuring": train_seconds - 10.0, "waiting": 0.5},
        },
        facts=[record for part, own in (facts or {}).items() for record in fact_records(part, own)],
    )
    write_json(folder / "metrics.json", metrics)
    return folder


def _changed(folder: Path, name: str, **values: Any) -> None:
    """A file of the real run with other values; one that it lacks would be a value that no run writes."""
    content = json.loads((REAL / name).read_text())
    assert values.keys() <= content.keys(), f"{name} of a run has no {values.keys() - content.keys()}"
    write_json(folder / name, {**content, **values})


def _config(folder: Path, selector: str, ratio: float, seed: int, steps: int, more: dict[str, Any]) -> None:
    content = yaml.safe_load((REAL / "config.yaml").read_text())
    content["eval"] = {"math500": content["eval"]["arithmetic"]}
    content |= {"selector": {"_target_": "x", "name": selector}, "ratio": {"value": ratio}, "seed": seed}
    content["train"]["max_steps"] = steps
    for group, values in more.items():
        content[group] = values if group == "selector" else _merged(content[group], values)
    (folder / "config.yaml").write_text(yaml.safe_dump(content))


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
