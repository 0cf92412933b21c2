"""Metrics as version 0.1.0 wrote them before they had a schema: flat keys of a run, a list of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ufo_rl.report.metrics import Metrics, RunMetrics, evaluation_metrics, run_metrics
from ufo_rl.stats.intervals import wilson

Summaries = Mapping[str, Mapping[str, Any]]


def upgraded(old: Mapping[str, Any], names: Sequence[str], base: Summaries, final: Summaries) -> Metrics | RunMetrics:
    """The same metrics in schema 2. KeyError for a key that neither they nor the summaries have.

    names: the benchmarks of the configuration. base, final: their published summaries (`base_eval/NAME.json` and
    `eval/NAME/manifest.json` of the run folder), {} where they are gone: then the few flat numbers have to do.
    """
    if "benchmarks" in old:
        return evaluation_metrics(old["benchmarks"], old["seconds"])
    return run_metrics(
        num_pool=old["num_pool"],
        num_selected=old["num_selected"],
        trained=old,
        budget=old["budget"],
        signals=old["signals"],
        spearman=old["spearman"],
        base={name: base.get(name) or _base(old, name) for name in names if old[f"{name}_base"] is not None},
        final={name: final.get(name) or _final(old, name) for name in names},
        seconds=old["seconds"],
        gpu_hours=old["gpu_hours"],
    )


def _base(old: Mapping[str, Any], name: str) -> dict[str, Any]:
    n, share = old[f"{name}_n"], old[f"{name}_base"]
    low, high = wilson(round(share * n), n)
    return {**_common(old, name), "accuracy": share, "ci_low": low, "ci_high": high}


def _final(old: Mapping[str, Any], name: str) -> dict[str, Any]:
    interval = {end: old[f"{name}_{end}"] for end in ("ci_low", "ci_high")}
    return {**_common(old, name), "accuracy": old[f"{name}_final"], **interval}


def _common(old: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"benchmark": name, "n": old[f"{name}_n"], "is_subset": old[f"{name}_is_subset"]}
