"""`ufo-rl compare`: the arms side by side, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ufo_rl.report.facts import fact_tables
from ufo_rl.report.pairing import Block, Mean, Result, gather, means
from ufo_rl.report.reader import find_runs
from ufo_rl.report.run_record import Run
from ufo_rl.report.shared_sentences import budget, correlation, signal_costs
from ufo_rl.report.signatures import costly_selection, is_step_matched, unstable_training, worse_than_full
from ufo_rl.report.text import NOTHING, count, fit, interval, percent, points, seconds, table
from ufo_rl.stats.intervals import Difference

# Stages of a run that measure no signal.
NOT_SCORING = ("base_eval", "train", "eval", "total")


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


def _block(block: Block) -> str:
    model, dataset, template = block.setting
    parts = [f"model {model}, dataset {dataset}, template {template}"]
    parts += [_accuracies(name, results) for name, results in block.results.items()]
    parts += [_costs(block)]
    parts += _reported(block)
    remarks = [f"Budgets: {budget(block.runs)}."]
    fulls = [(run, full) for run, full in block.full_of.items() if full is not None]
    if fulls and all(is_step_matched(run, full) for run, full in fulls):
        remarks.append("With equal steps selection saves no training time: its cost comes on top of the full run's.")
    if not any(means(results) for results in block.results.values()):
        remarks.append(
            "The intervals cover the questions, not the training: another seed moves every row. Repeat with "
            "seed=0,1,2 before you claim a difference."
        )
    remarks += signal_costs(block.runs) + correlation(block.runs)
    parts.append("\n".join(remarks))
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
            count(one.after.n) + (" (subset)" if one.after.is_subset else ""),
            f"{percent(one.before.share if one.before else None)} -> {percent(one.after.share)} "
            + interval(one.after.low, one.after.high),
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
                seconds(_sum(paid, *(stage for stage in paid if stage not in NOT_SCORING))),
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


def _reported(block: Block) -> list[str]:
    rows = [([block.arms[run], str(run.seed)], run.facts) for run in block.runs]
    return [f"What parts report\n{one}" for one in fact_tables(["arm", "seed"], rows)]


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
    if state == "interrupted":
        return f"interrupted{at}; the same command goes on from what is finished"
    if state == "completed":
        return "completed, but metrics.json is missing; run it again to have it written"
    if state == "running":
        last = run.status.get("updated", "unknown")
        return f"not finished{at}, last sign of life {last}; if it was killed, run it again"
    return "not finished: no status.json"
