"""`ufo-rl compare`: the arms side by side, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ufo_rl.report.facts import fact_tables
from ufo_rl.report.pairing import Block, Mean, Result, gather, means
from ufo_rl.report.run_folders import find_runs
from ufo_rl.report.run_record import EvaluatedModel, Run
from ufo_rl.report.shared_sentences import budget, correlation, signal_costs
from ufo_rl.report.signatures import is_budget_matched
from ufo_rl.report.text import NOTHING, count, fit, interval, percent, points, seconds, table
from ufo_rl.report.warnings import warnings_of
from ufo_rl.stats.intervals import Difference

# Stages of a run that measure no signal.
NOT_SCORING = ("base_eval", "train", "eval", "total")
MAX_HEADING = 16  # characters of a baseline's name above a column


def compare(paths: Sequence[str | Path], baseline: str | None = None) -> str:
    """The comparison of the runs in or below run folders, sweep folders or globs, for a terminal of 120
    columns; of evaluations too.

    Arms are compared within one model, dataset and template, each with the `baseline` (see `gather`). Failed and unfinished
    runs are listed at the end, never dropped. UserError for a path without a run, an unknown baseline and a broken file.
    """
    runs = find_runs(paths)
    sections = [_evaluations(b) if b.holds_evaluations else _block(b) for b in gather(runs, baseline)]
    left_out = incomplete(runs)
    if not sections:
        sections = ["No complete run to compare."]
    if left_out:
        lines = [f"- {line}" for line in left_out]
        sections.append("\n".join([f"Not in the tables, {len(left_out)} of {len(runs)} runs:", *lines]))
    return fit("\n\n".join(sections))


def incomplete(runs: Sequence[Run]) -> list[str]:
    """A line for each run that has no result, with the reason."""
    return [f"{run.id}: {_why_not(run)}" for run in runs if not run.is_complete]


def _evaluations(block: Block) -> str:
    parts = ["Evaluations, no training"]
    parts += [_accuracies(name, results, block.baseline) for name, results in block.results.items()]
    parts += _legend(block)
    if not block.baseline and len(block.runs) > 1:
        parts.append("Choose one with --baseline MODEL for differences that are paired by question.")
    return "\n\n".join([*parts, *_notes(block)])


def _legend(block: Block) -> list[str]:
    return ["\n".join(f"{shown}: {label}" for shown, label in block.legend.items())] if block.legend else []


def _notes(block: Block) -> list[str]:
    return ["\n".join(["Notes:", *(f"- {note}" for note in dict.fromkeys(block.notes))])] if block.notes else []


def _block(block: Block) -> str:
    model, dataset, template = block.setting
    parts = [f"model {model}, dataset {dataset}, template {template}"]
    parts += [_accuracies(name, results, block.baseline) for name, results in block.results.items()]
    parts += [_costs(block), *_legend(block)]
    parts += _reported(block)
    remarks = [f"Budgets: {budget(block.runs)}."]
    pairs = [(run, other) for run, other in block.baseline_of.items() if other is not None]
    if block.baseline != "full" and pairs:
        remarks.insert(0, f"The baseline is {block.baseline}; --baseline ARM takes another.")
    if pairs and block.trains_on_everything and all(is_budget_matched(run, full) for run, full in pairs):
        remarks.append("With equal budgets selection saves no training time: its cost comes on top of the full run's.")
    if not any(means(results) for results in block.results.values()):
        remarks.append(
            "The intervals cover the questions, not the training: another seed moves every row. Repeat with "
            "seed=0,1,2 before you claim a difference."
        )
    remarks += signal_costs(block.runs) + correlation(block.runs)
    parts.append("\n".join(remarks))
    warnings = warnings_of(block)
    parts.append("\n".join(["Warnings:", *warnings]) if warnings else "Warnings: none.")
    return "\n\n".join([*parts, *_notes(block)])


def _accuracies(benchmark: str, results: list[Result], baseline: str) -> str:
    name = baseline if 0 < len(baseline) <= MAX_HEADING else "baseline"
    header = ["arm", "seed", "n", "before -> after [95 %]", f"minus {name} [95 %]", "paired, in words"]
    rows = [
        [
            one.arm,
            NOTHING if isinstance(one.run, EvaluatedModel) else str(one.run.seed),
            count(one.after.n) + (" (subset)" if one.after.is_subset else ""),
            f"{percent(one.before.share if one.before else None)} -> {percent(one.after.share)} "
            + interval(one.after.low, one.after.high),
            points(one.minus_baseline),
            "baseline" if one.is_baseline else in_words(one.minus_baseline),
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
    if mean.minus_baseline is not None and mean.minus_baseline_range is not None:
        low, high = mean.minus_baseline_range
        gap = f"{100 * mean.minus_baseline:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    low, high = mean.after_range
    after = f"{percent(mean.before)} -> {percent(mean.after)} ({percent(low)} to {percent(high)})"
    return [mean.arm, "all", "", after, gap, f"mean (range), {mean.seeds} seeds"]


def _costs(block: Block) -> str:
    header = ["arm", "seed", "trained", "steps", "epochs", "score", "train", "eval", "total"]
    header += ["start-up", "waiting", "signals' cost"]
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
                seconds(total_of(paid, *(stage for stage in paid if stage not in NOT_SCORING))),
                seconds(paid.get("train")),
                seconds(total_of(paid, "base_eval", "eval")),
                seconds(paid.get("total")),
                seconds(run.phase_seconds("startup")),
                seconds(run.phase_seconds("waiting")),
                seconds(run.signal_seconds) if run.signals else NOTHING,
            ]
        )
    title = (
        "Budget and seconds paid by each run (score: 0 where stored; eval with the base model's; start-up and waiting: of "
        "all stages, in total; signals' cost: when measured)"
    )
    return f"{title}\n" + table(header, rows)


def _reported(block: Block) -> list[str]:
    rows = [([block.arms[run], str(run.seed)], run.facts) for run in block.runs]
    return [f"What parts report\n{one}" for one in fact_tables(["arm", "seed"], rows)]


def total_of(paid: dict[str, float], *stages: str) -> float | None:
    known = [paid[stage] for stage in stages if paid.get(stage) is not None]
    return sum(known) if known else None


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
