"""metrics.json, what came of a run or of an evaluation: its one schema, and the functions that write it.

`disk.run_folders.read_metrics` reads it, also as earlier versions wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from ufo_rl.report.facts import FactRecord

# Raise it when a key changes its name or meaning, and teach `disk.run_folders.read_metrics` the step from the one before.
SCHEMA = 2
# What manifest.json of an evaluation says besides its results.
PROVENANCE = ("cache", "identity", "model", "batch", "versions")
# Numbers that W&B sorts runs by, under the names they have here.
HEADLINE = ("num_pool", "num_selected", "ratio_effective", "steps", "epochs", "generated_tokens", "gpu_hours")


class Answers(TypedDict):
    """One model on one benchmark: what `evaluation.benchmark.summarise` returns, and the seconds it took.

    With k samples a question also avg_at_k, pass_at_j and maj_at_k, each with _ci_low and _ci_high.
    """

    benchmark: str
    n: int  # questions, the denominator of every share
    is_subset: bool
    num_samples: int
    accuracy: float
    ci_low: float
    ci_high: float
    # Counts of answers, all of them wrong; NAME_share of all answers.
    unparsed: int
    timeouts: int  # of CPU time
    stalled: int  # ended by the backstop on the wall clock, twice; not in files of earlier versions
    crashes: int
    truncated: int
    mean_tokens: float
    generated_tokens: int
    by_level: list[dict[str, Any]]
    by_subject: list[dict[str, Any]]


class BeforeAndAfter(TypedDict):
    """`base` is the untrained model, None where it was not asked; `final` the policy, or the model that is evaluated."""

    base: Answers | None
    final: Answers


class Metrics(TypedDict):
    """All of an evaluation's metrics.json, and a part of every run's."""

    schema: int
    eval: dict[str, BeforeAndAfter]
    facts: list[FactRecord]
    seconds: dict[str, float]  # wall seconds over all attempts, by stage, and "total"
    # These by stage as startup, measuring (its own work) and waiting; None where an earlier version measured a part. Not in
    # files of earlier versions.
    phases: dict[str, dict[str, float] | None]


class RunMetrics(Metrics):
    num_pool: int
    num_selected: int
    ratio_effective: float
    steps: int
    epochs: float
    budget: str
    generated_tokens: int  # of training
    signals: dict[str, dict[str, Any]]  # the cost record of each signal that the selector used
    spearman: dict[str, Any] | None  # confidence against pass rate over the pool: rho, ci_low, ci_high, n
    gpu_hours: float | None  # None where stages ran on CPUs


def benchmark_metrics(
    final: Mapping[str, Mapping[str, Any]], base: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, BeforeAndAfter]:
    """The block `eval` from the summaries of evaluations by benchmark; where they come from stays in their manifests."""
    before = base or {}
    return {
        name: {"base": _answers(before[name]) if name in before else None, "final": _answers(found)}
        for name, found in final.items()
    }


def run_metrics(
    *,
    num_pool: int,
    num_selected: int,
    trained: Mapping[str, Any],
    budget: str,
    signals: Mapping[str, dict[str, Any]],
    spearman: dict[str, Any] | None,
    base: Mapping[str, Mapping[str, Any]],
    final: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, float],
    gpu_hours: float | None,
    facts: Sequence[FactRecord] = (),
    phases: Mapping[str, dict[str, float] | None] | None = None,
) -> RunMetrics:
    """metrics.json of a run. `trained` is the manifest of its training, `base` and `final` are summaries by benchmark."""
    return {
        "schema": SCHEMA,
        "num_pool": num_pool,
        "num_selected": num_selected,
        "ratio_effective": num_selected / num_pool,
        "steps": trained["steps"],
        "epochs": trained["epochs"],
        "budget": budget,
        "generated_tokens": trained["generated_tokens"],
        "signals": dict(signals),
        "spearman": spearman,
        "eval": benchmark_metrics(final, base),
        "facts": list(facts),
        "seconds": dict(seconds),
        "phases": dict(phases or {}),
        "gpu_hours": gpu_hours,
    }


def evaluation_metrics(
    found: Sequence[Mapping[str, Any]],
    seconds: Mapping[str, float],
    phases: Mapping[str, dict[str, float] | None] | None = None,
) -> Metrics:
    """metrics.json of an evaluation: `found` are the summaries of its benchmarks."""
    final = {one["benchmark"]: one for one in found}
    return {
        "schema": SCHEMA,
        "eval": benchmark_metrics(final),
        "facts": [],
        "seconds": dict(seconds),
        "phases": dict(phases or {}),
    }


def headline(metrics: RunMetrics) -> dict[str, Any]:
    """Columns to sort runs by in W&B; dashboards hang on these names, whatever the file calls them."""
    columns: dict[str, Any] = {name: metrics[name] for name in HEADLINE if metrics[name] is not None}
    for name, found in metrics["eval"].items():
        if found["base"] is not None:
            columns[f"{name}_base"] = found["base"]["accuracy"]
        final = found["final"]
        columns |= {f"{name}_final": final["accuracy"], f"{name}_n": final["n"]}
        columns |= {f"{name}_ci_low": final["ci_low"], f"{name}_ci_high": final["ci_high"]}
    for fact in metrics["facts"]:
        if isinstance(fact["value"], int | float) and not isinstance(fact["value"], bool):
            columns[f"{fact['part']} {fact['key']}".replace(" ", "_")] = fact["value"]
    return {
        **columns,
        "n_selected": metrics["num_selected"],
        "seconds": metrics["seconds"],
        "spearman": metrics["spearman"]["rho"] if metrics["spearman"] else None,
    }


def evaluation_headline(metrics: Metrics) -> dict[str, Any]:
    """The same of an evaluation: math500_accuracy, math500_n, math500_is_subset."""
    return {
        f"{name}_{key}": found["final"][key]
        for name, found in metrics["eval"].items()
        for key in ("accuracy", "n", "is_subset")
    }


def _answers(found: Mapping[str, Any]) -> Answers:
    return cast(Answers, {key: value for key, value in found.items() if key not in PROVENANCE})
