"""The summary at the end of a run, as text."""

from __future__ import annotations

from pathlib import Path

from ufo_rl.report.comparing.pairing import change
from ufo_rl.report.comparing.signatures import unstable_training
from ufo_rl.report.disk.run_folders import load_run
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.facts import fact_lines
from ufo_rl.report.shared_sentences import correlation, signal_costs
from ufo_rl.report.text import NOTHING, count, fit, interval, percent, points, seconds
from ufo_rl.stats.intervals import Difference


def summary(folder: Path) -> str:
    """What a run did, in some 12 lines. UserError if `folder` is no run folder or a file is broken.

    A run that is not complete is summarised as far as it got, with its state first."""
    run = load_run(folder)
    model, dataset, template = run.setting
    state = run.status.get("state", "not started")
    lines = [
        f"{run.id}: {state}",
        f"  model {model}, dataset {dataset}, template {template}, arm {run.arm}, seed {run.seed}",
    ]
    if run.status.get("error"):
        lines.append(f"  stopped at {run.status.get('stage')}: {run.status['error']}")
    lines += _pool(run) + _contamination(run) + _selection(run)
    if run.metrics:
        lines += _training(run)
        for benchmark in run.benchmarks:
            lines += _accuracy(run, benchmark)
        lines += _seconds(run)
        lines += [f"  {text}" for text in signal_costs([run]) + correlation([run])]
        lines += [f"  {text}" for text in fact_lines(run.facts)]
    warnings = unstable_training(run.journal())
    lines += [f"  Warning: {warning}" for warning in warnings]
    lines.append(f"  Compare the arms: ufo-rl compare {folder.parent}")
    return fit("\n".join(lines))


def _pool(run: Run) -> list[str]:
    if not run.pool:
        return []
    dropped = run.pool.get("dropped") or {}
    reasons = ", ".join(f"{count(number)} {reason}" for reason, number in dropped.items())
    text = f"  pool       {count(run.pool.get('prompts'))} prompts of {count(run.pool.get('rows'))} rows"
    return [text + (f"; dropped: {reasons}" if reasons else "")]


def _contamination(run: Run) -> list[str]:
    """The benchmarks whose questions the dataset holds; nothing where it holds none."""
    found = (run.contamination.get("benchmarks") or {}).items()
    hits = [
        f"{count(overlap['hit_questions'])} of {count(overlap['questions'])} {name} questions "
        f"({count(overlap['exact_questions'])} exact)"
        for name, overlap in found
        if overlap["hit_questions"]
    ]
    outcome = "taken out" if run.contamination.get("removed") else "still in the pool"
    return [f"  overlap    {', '.join(hits)}: {outcome}"] if hits else []


def _selection(run: Run) -> list[str]:
    if not run.selection:
        return []
    tie_share = run.selection.get("tie_share")
    ties = f"; ties decided {percent(tie_share)} % of the kept" if tie_share else ""
    near = run.selection.get("near_cut")
    ties += f"; {count(near)} could change sides within 1e-5" if near else ""
    kept, pool = count(run.selection.get("num_kept")), count(run.selection.get("num_pool"))
    return [f"  selection  {kept} of {pool} prompts kept by {run.arm}{ties}"]


def _training(run: Run) -> list[str]:
    steps, epochs = count(run.metrics.get("steps")), count(run.metrics.get("epochs"))
    trained = count(run.metrics.get("num_selected"))
    return [f"  training   {steps} steps, {epochs} epochs over {trained} prompts ({run.metrics.get('budget')})"]


def _accuracy(run: Run, benchmark: str) -> list[str]:
    before, after = run.before(benchmark), run.after(benchmark)
    text = f"  {benchmark:<10} "
    if before is not None:
        text += f"{percent(before.share)} {interval(before.low, before.high)} -> "
    text += f"{percent(after.share)} % {interval(after.low, after.high)} of {count(after.n)} questions"
    text += " (subset)" if after.is_subset else ""
    return [text, f"  {'':<10} change {_in_words(change(run, benchmark))}"]


def _in_words(difference: Difference | None) -> str:
    if difference is None:
        return "not paired: a table of questions is missing"
    said = f"{points(difference)} points, paired by question"
    return said + (": no detectable difference" if difference.contains_zero else "")


def _seconds(run: Run) -> list[str]:
    if not run.seconds:
        return []
    lines = ["  seconds    " + ", ".join(f"{stage} {seconds(value)}" for stage, value in run.seconds.items())]
    for phase, word in (("startup", "start-up"), ("waiting", "waiting")):
        own = {stage: seconds(spent[phase]) if spent else NOTHING for stage, spent in run.phases.items()}
        if own:
            lines.append(f"    {word:<8} " + ", ".join(f"{stage} {value}" for stage, value in own.items()))
    return lines
