"""`ufo-rl compare`: the arms side by side, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ufo_rl.report.comparison import Block, Mean, Result, gather, means
from ufo_rl.report.runs import Run, find_runs
from ufo_rl.report.signatures import costly_selection, is_step_matched, unstable_training, worse_than_full
from ufo_rl.report.text import NOTHING, count, fit, interval, percent, points, seconds, table
from ufo_rl.stats.intervals import Difference

# Epochs that differ by less are the same budget: the last incomplete batch is rounded.
EPOCH_TOLERANCE = 0.02


def compare(paths: Sequence[str | Path]) -> str:
    """The comparison of the runs in or below run folders, sweep folders or globs, for a terminal of 120
    columns.

    Arms are compared within one model, dataset and template. Failed and unfinished runs are listed at the
    end, never dropped. UserError for a path without a run and for a broken file.
    """
    runs = find_runs(paths)
    sections = [_block(block) for block in gather(runs)]
    left_out = [f"- {run.id}: {_why_not(run)}" for run in runs if not run.is_complete]
    if not sections:
        sections = ["No complete run to compare."]
    if left_out:
        sections.append("\n".join([f"Not in the tables, {len(left_out)} of {len(runs)} runs:", *left_out]))
    return fit("\n\n".join(sections))


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


def _block(block: Block) -> str:
    model, dataset, template = block.setting
    parts = [f"model {model}, dataset {dataset}, template {template}"]
    parts += [_accuracies(name, results) for name, results in block.results.items()]
    parts += [_costs(block)]
    facts = [f"Budgets: {budget(block.runs)}."]
    fulls = [(run, full) for run, full in block.full_of.items() if full is not None]
    if fulls and all(is_step_matched(run, full) for run, full in fulls):
        facts.append("With equal steps selection saves no training time: its cost comes on top of the full run's.")
    if not any(means(results) for results in block.results.values()):
        facts.append(
            "The intervals cover the questions, not the training: another seed moves every row. Repeat with "
            "seed=0,1,2 before you claim a difference."
        )
    facts += signal_costs(block.runs) + correlation(block.runs)
    parts.append("\n".join(facts))
    warnings = _warnings(block)
    parts.append("\n".join(["Warnings:", *warnings]) if warnings else "Warnings: none.")
    if block.notes:
        parts.append("\n".join(["Notes:", *(f"- {note}" for note in dict.fromkeys(block.notes))]))
    return "\n\n".join(parts)


def _accuracies(benchmark: str, results: list[Result]) -> str:
    header = ["arm", "seed", "n", "before -> after [95 %]", "minus full [95 %]", "paired, in words"]
    rows = [
        [
            one.arm,
            str(one.run.seed),
            f"{count(one.n)} (subset)" if one.is_subset else count(one.n),
            f"{percent(one.before)} -> {percent(one.after)} {interval(one.low, one.high)}",
            points(one.minus_full),
            "baseline" if one.is_baseline else in_words(one.minus_full),
        ]
        for one in results
    ]
    rows += [_mean_row(mean) for mean in means(results)]
    return f"Accuracy on {benchmark} in %\n" + table(header, rows)


def in_words(difference: Difference | None) -> str:
    """better, worse, or no detectable difference at the 95 % level."""
    if difference is None:
        return NOTHING
    if difference.contains_zero:
        return "no detectable difference"
    return "better" if difference.value > 0 else "worse"


def _mean_row(mean: Mean) -> list[str]:
    gap = NOTHING
    if mean.minus_full is not None and mean.minus_full_range is not None:
        low, high = mean.minus_full_range
        gap = f"{100 * mean.minus_full:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    low, high = mean.after_range
    after = f"{percent(mean.before)} -> {percent(mean.after)} ({percent(low)} to {percent(high)})"
    return [mean.arm, "all", "", after, gap, f"mean (range), {mean.seeds} seeds"]


def _costs(block: Block) -> str:
    header = ["arm", "seed", "trained", "steps", "epochs", "score", "train", "eval", "total", "signals' cost"]
    rows = []
    for run in block.runs:
        paid = run.seconds
        rows.append(
            [
                block.arms[run],
                str(run.seed),
                count(run.metrics.get("num_selected")),
                count(run.metrics.get("steps")),
                count(run.metrics.get("epochs")),
                seconds(_sum(paid, "score", "pass_rate")),
                seconds(paid.get("train")),
                seconds(_sum(paid, "base_eval", "eval")),
                seconds(paid.get("total")),
                seconds(run.signal_seconds) if run.signals else NOTHING,
            ]
        )
    title = (
        "Budget and seconds paid by each run (score: 0 where stored; eval with the base model's; "
        "signals' cost: when measured)"
    )
    return f"{title}\n" + table(header, rows)


def _sum(paid: dict[str, float], *stages: str) -> float | None:
    known = [paid[stage] for stage in stages if paid.get(stage) is not None]
    return sum(known) if known else None


def _warnings(block: Block) -> list[str]:
    found = []
    for run in block.runs:
        said = [
            warning
            for name, results in block.results.items()
            for one in results
            if one.run is run
            for warning in worse_than_full(name, one.minus_full)
        ]
        said += unstable_training(run.journal()) + costly_selection(run, block.full_of[run])
        found += [f"- {block.arms[run]} seed {run.seed}: {warning}" for warning in said]
    return found


def _why_not(run: Run) -> str:
    state, stage = run.status.get("state"), run.status.get("stage")
    at = f" at {stage}" if stage else ""
    if state == "failed":
        return f"failed{at}: {run.status.get('error') or 'no reason recorded'}"
    if state == "completed":
        return "completed, but metrics.json is missing; run it again to have it written"
    if state == "running":
        last = run.status.get("updated", "unknown")
        return f"not finished{at}, last sign of life {last}; if it was killed, run it again"
    return "not finished: no status.json"
