"""What earlier runs have left: this job done or begun, stored base evaluations, how long and how fast completions were."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from ufo_rl.commands.plan.amounts import training_amounts
from ufo_rl.commands.plan.basis import Basis
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.evaluation.shared import Asked, Evaluations
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.experiment.status import Status
from ufo_rl.files.atomic import manifest
from ufo_rl.files.environment import hardware

DONE = "done before"
MOST_RUNS = 40  # the newest that are looked at
# What speeds and lengths depend on, by node.
ALIKE = {
    "model": ("path", "dtype"),
    "template": ("name",),
    "rollout": ("name",),
    "launch": ("device", "threads_per_rank"),
    "deepspeed": ("config",),
    "train": (
        *("lora", "per_device_train_batch_size", "gradient_accumulation_steps", "num_generations", "num_iterations"),
        *("max_completion_tokens", "temperature", "beta", "bf16", "gradient_checkpointing", "trl"),
    ),
}


def state_of(folder: Path) -> str:
    """What became of the job, in words."""
    status = Status(folder)
    if status.is_completed():
        return f"{DONE}; force=true runs it again"
    if not status.path.is_file() or status.is_planned():
        return "not begun"
    return f"begun: {status.error()}; the same command goes on"


def stored_completions(basis: Basis) -> dict[str, int]:
    """Of the untrained model on each benchmark: how many completions are stored, all of them where its evaluation is."""
    config, prepared, chat = basis.config, basis.prepared, basis.chat
    if config is None or prepared is None or chat is None or not (basis.cache / "completions").is_dir():
        return {}
    found = {}
    for name in prepared.benchmarks:
        benchmark = config.eval[name]
        asked = Asked.of(benchmark, prepared.benchmarks[name], config.grader, config.plugins, drawn_shots(name, config))
        evaluations = Evaluations({name: asked}, chat, config.engine, basis.cache, cast(Any, None))
        store, _, folder = evaluations.place(name, chat.id)
        keys = [row["key"] for _, row in asked.requests(evaluations.chat_of(name))]
        done = manifest(folder)
        found[name] = len(keys) if done and not done.get("stalled") else len(set(keys) & store.keys())
    return found


@dataclass(frozen=True)
class Earlier:
    """Of an earlier run of the same model: tokens a second of one rank, while it scored, trained (generation and update
    together) and was evaluated; None where it did not. mean: tokens of a completion of training, likewise."""

    folder: Path
    scoring: float | None
    training: float | None
    evaluation: float | None
    mean: float | None


def measured_by(basis: Basis) -> Earlier | None:
    """The newest completed run below the same outputs, on such a machine and alike in ALIKE; None without one."""
    config = basis.config
    if config is None:
        return None
    outputs = Path(config.paths.outputs)
    files = [path for kind in ("runs", "sweeps") for path in outputs.glob(f"{kind}/*/*/metrics.json")]
    for path in sorted(files, key=lambda one: -one.stat().st_mtime)[:MOST_RUNS]:
        try:
            if (found := _of_run(basis, path.parent)) is not None:
                return found
        except (OSError, ValueError, KeyError, TypeError, UserError, yaml.YAMLError):
            continue  # of another version, or broken: `ufo-rl show` says so
    return None


def _devices(hardware: Mapping[str, Any]) -> tuple[Any, ...]:
    """GPUs and processor of a recorded machine."""
    return tuple(sorted(set(hardware.get("gpus") or ()))), hardware.get("cpu")


@functools.cache
def _devices_here() -> tuple[Any, ...]:
    return _devices(hardware())  # asks a driver's program, which takes seconds


def _of_run(basis: Basis, folder: Path) -> Earlier | None:
    plain = basis.job.plain
    there = yaml.load(
        (folder / "config.yaml").read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    if any((there.get(node) or {}).get(key) != plain[node].get(key) for node, keys in ALIKE.items() for key in keys):
        return None
    if _devices(json.loads((folder / "run.json").read_text(encoding="utf-8")).get("hardware") or {}) != _devices_here():
        return None
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    ranks, phases = there["launch"]["num_ranks"], metrics.get("phases") or {}

    def rate(tokens: float, stage: str) -> float | None:
        seconds = (phases.get(stage) or {}).get("measuring") or 0.0
        return tokens / (seconds * ranks) if seconds and tokens else None

    scored = metrics["signals"].get("confidence") or {}
    seconds = scored.get("cost_measuring_device_seconds")
    answers = sum(one["final"]["generated_tokens"] for one in metrics["eval"].values())
    amounts = training_amounts(load(there).train, metrics["num_selected"], ranks)
    mean = metrics["generated_tokens"] / amounts.completions if amounts.completions else None
    return Earlier(
        folder=folder,
        scoring=scored["cost_forward_tokens"] / seconds if seconds else None,
        training=rate(metrics["generated_tokens"], "train"),
        evaluation=rate(answers, "eval"),
        mean=mean if amounts.steps == metrics["steps"] else None,
    )
