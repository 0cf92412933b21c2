"""A run as W&B has it: configuration and columns, no tables and no files. Its differences are of seeds, not of questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufo_rl.report.disk.how_far import UNREADABLE
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.metrics import SCHEMA
from ufo_rl.stats.intervals import wilson

STATES = {"finished": "completed", "crashed": "failed", "failed": "failed", "killed": "interrupted"}
COLUMNS = ("num_pool", "num_selected", "ratio_effective", "steps", "epochs", "generated_tokens", "gpu_hours")


class RemoteRun(Run):
    @property
    def has_questions(self) -> bool:
        return False

    def journal(self) -> list[dict[str, Any]]:
        return []

    def correct_after(self, benchmark: str) -> dict[str, float] | None:
        return None

    def correct_before(self, benchmark: str) -> dict[str, float] | None:
        return None


def remote_run(found: Mapping[str, Any]) -> RemoteRun:
    """From its id, name, state, created, config and summary; what is not a run of ours has no results and says so."""
    config = {
        key: value for key, value in found["config"].items() if not key.startswith(("choice/", "_")) and key != "run"
    }
    summary = found["summary"]
    state = STATES.get(found["state"], UNREADABLE)
    status = {"state": state, "error": summary.get("error") or f"W&B says {found['state']}"}
    evaluated = {
        name: {"base": _answers(summary, name, "base"), "final": _answers(summary, name, "final")}
        for name in config.get("eval") or ()
        if f"{name}_final" in summary
    }
    if state == "completed" and not evaluated:
        status = {"state": UNREADABLE, "error": "W&B has no results of it"}
    metrics = {"schema": SCHEMA, "eval": evaluated, "seconds": _below(summary, "seconds"), "signals": {}, "facts": []}
    metrics |= {name: summary.get(name) for name in COLUMNS} if evaluated else {}
    return RemoteRun(
        folder=Path("wandb") / str(found["id"]),
        id=str(found["name"]),
        created=str(found["created"]),
        config=config,
        status=status,
        metrics=metrics if evaluated else {},
        pool={},
        selection={},
        contamination={},
    )


def _answers(summary: Mapping[str, Any], benchmark: str, when: str) -> dict[str, Any] | None:
    accuracy, n = summary.get(f"{benchmark}_{when}"), summary.get(f"{benchmark}_n")
    if accuracy is None or not n:
        return None
    is_subset = summary.get(f"eval/{benchmark}_is_subset", False)
    low, high = wilson(min(n, accuracy * n), n)
    if when == "final":  # of several samples it is another
        low, high = summary.get(f"{benchmark}_ci_low", low), summary.get(f"{benchmark}_ci_high", high)
    return {"n": int(n), "accuracy": accuracy, "ci_low": low, "ci_high": high, "is_subset": bool(is_subset)}


def _below(summary: Mapping[str, Any], name: str) -> dict[str, float]:
    """seconds_train, or nested {seconds: {train: ..}}, as {train: ..}."""
    nested = summary.get(name)
    own = dict(nested) if isinstance(nested, Mapping) else {}
    begin = f"{name}_"
    return own | {key[len(begin) :]: value for key, value in summary.items() if key.startswith(begin)}
