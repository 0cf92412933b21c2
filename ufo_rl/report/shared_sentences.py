"""Sentences that the report of one run and that of several share: budgets, signals, and how these agree."""

from __future__ import annotations

from collections.abc import Sequence

from ufo_rl.report.run_record import Run
from ufo_rl.report.text import count, seconds

# Epochs that differ by less are the same budget: the last incomplete batch is rounded.
EPOCH_TOLERANCE = 0.02


def budget(runs: Sequence[Run]) -> str:
    """How the training budgets of arms relate: step-matched, epoch-matched, or what differs."""
    steps = [run.metrics.get("steps") for run in runs]
    epochs = [run.metrics.get("epochs") for run in runs]
    if None not in steps and len(set(steps)) == 1:
        return f"step-matched, {count(steps[0])} steps in every arm (fewer prompts are seen more often)"
    known = [epoch for epoch in epochs if epoch is not None]
    if len(known) == len(epochs) and max(known) - min(known) <= EPOCH_TOLERANCE * max(known):
        return f"epoch-matched, {count(known[0])} epochs in every arm (fewer prompts mean fewer steps)"
    return "NOT matched: arms differ in steps and in epochs, part of any difference is the budget"


def signal_costs(runs: Sequence[Run]) -> list[str]:
    """What each signal cost for the whole pool when it was measured, and sampling against scoring."""
    costs: dict[str, tuple[float, int]] = {}  # wall seconds and prompts of the largest pool
    for run in runs:
        for name, signal in run.signals.items():
            cost, num = signal.get("cost_seconds"), signal.get("num_prompts") or 0  # the other counts are of samples
            if cost is not None and num > costs.get(name, (0.0, 0))[1]:
                costs[name] = (cost, num)
    if not costs:
        return []
    said = [f"{name} {seconds(cost)} s for {count(num)} prompts" for name, (cost, num) in costs.items()]
    text = ["Signals, wall time when measured: " + ", ".join(said) + "."]
    per_prompt = {name: cost / num for name, (cost, num) in costs.items() if cost > 0}
    if per_prompt.keys() >= {"confidence", "pass_rate"}:
        ratio = per_prompt["pass_rate"] / per_prompt["confidence"]
        text.append(f"A prompt costs {ratio:.3g} times as much to sample as to score in one forward pass.")
    return text


def correlation(runs: Sequence[Run]) -> list[str]:
    """Spearman's correlation of confidence and pass rate, from the run with most pairs (paper, table 2)."""
    stored = [run.spearman for run in runs if run.spearman]
    if not stored:
        return []
    best = max(stored, key=lambda one: one.n)
    return [
        f"Spearman correlation of confidence and pass rate: {best.rho:.2f} "
        f"[{best.low:.2f}, {best.high:.2f}], n = {count(best.n)} prompts."
    ]
