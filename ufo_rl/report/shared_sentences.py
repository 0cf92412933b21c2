"""Sentences that the report of one run and that of several share: budgets, signals, and how these agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ufo_rl.config.training_schema import SPENT
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.text import count, seconds
from ufo_rl.stats.intervals import RankCorrelation

# Epochs that differ by less are the same budget: the last incomplete batch is rounded.
EPOCH_TOLERANCE = 0.02


def one_line(text: str, limit: int) -> str:
    """A text in one line of at most so many characters."""
    words = " ".join(text.split())
    return words if len(words) <= limit else f"{words[: limit - 1]}~"


def budget(runs: Sequence[Run]) -> str:
    """How the training budgets of arms relate: matched by what ended them all, step-matched, epoch-matched, or what differs."""
    ended_by = {run.metrics.get("budget") or "" for run in runs}
    unit, _, amount = next(iter(ended_by)).partition("=")
    if len(ended_by) == 1 and unit in SPENT:
        return f"matched by {unit.replace('_', ' ')}, {float(amount):,.12g} in every arm, and at most one step more"
    steps = [run.metrics.get("steps") for run in runs]
    epochs = [run.metrics.get("epochs") for run in runs]
    if None not in steps and len(set(steps)) == 1:
        return f"step-matched, {count(steps[0])} steps in every arm (fewer prompts are seen more often)"
    known = [epoch for epoch in epochs if epoch is not None]
    if len(known) == len(epochs) and max(known) - min(known) <= EPOCH_TOLERANCE * max(known):
        return f"epoch-matched, {count(known[0])} epochs in every arm (fewer prompts mean fewer steps)"
    return "NOT matched: arms differ in steps and in epochs, part of any difference is the budget"


def signal_costs(runs: Sequence[Run]) -> list[str]:
    """What each signal cost for the whole pool when it was measured, and sampling against scoring: of what was measured
    alone, as the start of a stage costs the same for ten prompts and a million."""
    costs = _costs_of_largest_pools(runs)
    if not costs:
        return []
    text = ["Signals, wall time when measured: " + ", ".join(_cost(name, one) for name, one in costs.items()) + "."]
    if costs.keys() >= {"confidence", "pass_rate"}:
        sampled, scored = (_per_prompt(costs[name]) for name in ("pass_rate", "confidence"))
        if sampled and scored:
            times = f"{sampled / scored:.3g} times as much to sample as to score in one forward pass"
            text.append(f"A prompt costs {times} (measuring alone).")
        else:
            text.append(
                "How much more a prompt costs to sample than to score is not known: an earlier version measured one of the "
                "two and did not tell start-up and measuring apart."
            )
    return text


def _costs_of_largest_pools(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """The cost record of each signal, from the run with the largest pool; among like ones one that knows more."""
    costs: dict[str, dict[str, Any]] = {}
    targets = {_target(run) for run in runs if "confidence" in run.signals}
    for one, name, signal in ((run, *item) for run in runs for item in run.signals.items()):
        if name == "confidence" and len(targets) > 1:
            name = f"confidence ({_target(one)})"
        if signal.get("cost_seconds") is not None and _weight(signal) > _weight(costs.get(name, {})):
            costs[name] = signal
    return costs


def _weight(signal: dict[str, Any]) -> tuple[int, bool]:
    return signal.get("num_prompts") or 0, signal.get(
        "cost_measuring_seconds"
    ) is not None  # other counts are of samples


def _cost(name: str, signal: dict[str, Any]) -> str:
    said = f"{name} {seconds(signal['cost_seconds'])} s for {count(signal['num_prompts'])} prompts"
    if signal.get("cost_measuring_seconds") is None:
        return f"{said} (start-up and measuring not told apart)"
    startup, measuring = (seconds(signal[f"cost_{part}_seconds"]) for part in ("startup", "measuring"))
    return f"{said} (start-up {startup}, measuring {measuring})"


def _per_prompt(signal: dict[str, Any]) -> float | None:
    """Seconds of all ranks together that measuring a prompt took: the ranks of two signals may differ in number."""
    measuring = signal.get("cost_measuring_device_seconds")
    return None if measuring is None else measuring / signal["num_prompts"]


def correlation(runs: Sequence[Run]) -> list[str]:
    """Spearman's correlation of confidence and pass rate, by what was scored, from the run with most pairs (paper, table 2)."""
    best: dict[str, RankCorrelation] = {}
    for run in runs:
        found, target = run.spearman, _target(run)
        if found and (target not in best or best[target].n < found.n):
            best[target] = found
    said = [
        f"{f'{target} ' if len(best) > 1 else ''}{one.rho:.2f} [{one.low:.2f}, {one.high:.2f}], n = {count(one.n)} prompts"
        for target, one in sorted(best.items())
    ]
    return [f"Spearman correlation of confidence and pass rate: {'; '.join(said)}."] if said else []


def _target(run: Run) -> str:
    """What confidence scored, "" where nothing says it."""
    signal = run.config.get("signal")
    confidence = signal.get("confidence") if isinstance(signal, dict) else None
    return str(confidence.get("target") or "") if isinstance(confidence, dict) else ""
