"""`ufo-rl compare`: the arms side by side, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from ufo_rl.report.comparing.arms import Arm, arms_of, missing_cells
from ufo_rl.report.comparing.costs import cost_table
from ufo_rl.report.comparing.judgement import POWER_SAID
from ufo_rl.report.comparing.pairing import USUAL_BASELINES, Block, Result, gather
from ufo_rl.report.comparing.signatures import is_budget_matched
from ufo_rl.report.comparing.warnings import warnings_of
from ufo_rl.report.disk.how_far import state_of
from ufo_rl.report.disk.run_folders import find_runs, is_earlier
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.facts import fact_tables
from ufo_rl.report.shared_sentences import budget, correlation, signal_costs
from ufo_rl.report.text import NOTHING, count, fit, interval, percent, points, titled
from ufo_rl.stats.intervals import Difference
from ufo_rl.stats.power import detectable

MAX_HEADING = 16  # characters of a baseline's name above a column


def compare(
    paths: Sequence[str | Path],
    baseline: str | None = None,
    margin: float | None = None,
    each_seed: bool = False,
    is_markdown: bool = False,
) -> str:
    """The comparison of the runs in or below run folders, sweep folders or globs, for a terminal of 120
    columns; of evaluations too.

    Arms are compared within one model, dataset and template, each with the `baseline` (see `gather`). margin: of "not worse by
    more than", a share. each_seed: a row for every run besides. is_markdown: tables of that form, nothing cut or wrapped. Runs
    that failed, are not finished or cannot be read are listed at the end, never dropped. UserError for a path without a run and
    an unknown baseline."""
    return compare_runs(find_runs(paths), baseline, margin, each_seed, is_markdown)


def compare_runs(
    runs: list[Run],
    baseline: str | None,
    margin: float | None = None,
    each_seed: bool = False,
    is_markdown: bool = False,
) -> str:
    """The same of runs that are read already."""
    sections = [_block(block, margin, each_seed, is_markdown) for block in gather(runs, baseline, not is_markdown)]
    left_out = incomplete(runs)
    if not sections:
        sections = ["No complete run to compare."]
    if left_out:
        lines = [f"- {line}" for line in left_out]
        sections.append("\n".join([f"Not in the tables, {len(left_out)} of {len(runs)} runs:", *lines]))
    if earlier := [run.id for run in runs if run.is_complete and is_earlier(run.folder)]:
        sections.append(f"Written by an earlier version, and read as such: {', '.join(earlier)}.")
    text = "\n\n".join(sections)
    return text if is_markdown else fit(text)


def incomplete(runs: Sequence[Run]) -> list[str]:
    """A line for each run that has no result, with the reason."""
    return [f"{run.id}: {state_of(run.folder, run.status).why}" for run in runs if not run.is_complete]


def _block(block: Block, margin: float | None, each_seed: bool, is_markdown: bool) -> str:
    model, dataset, template = block.setting
    arms = arms_of(block, margin)
    is_trained = not block.holds_evaluations
    parts = [f"model {model}, dataset {dataset}, template {template}" if is_trained else "Evaluations, no training"]
    for name, own in arms.items():
        seeds = block.results[name] if each_seed else []
        parts.append(
            titled(_title(name, own), *accuracy_rows(own, seeds, block, margin), is_markdown, bool(block.baseline))
        )
    parts += _legend(block)
    best = [in_a_sentence(name, own, block) for name, own in arms.items() if len(own) > 1]
    parts += ["\n".join([*best, how_to_read(block, arms)]).strip()]
    parts += [titled(*cost_table(block), is_markdown)] if is_trained else []
    if is_trained:
        parts += _reported(block)
        parts.append("\n".join(remarks(block)))
        warnings = warnings_of(block)
        parts.append("\n".join(["Warnings:", *warnings]) if warnings else "Warnings: none.")
    if not block.baseline and len(block.runs) > 1:
        cure = "for differences that are paired by question"
        parts.append(
            f"Choose one with --baseline MODEL {cure}."
            if block.holds_evaluations
            else f"Neither {' nor '.join(USUAL_BASELINES)} is here to compare with; --baseline ARM takes another arm, {cure}."
        )
    return "\n\n".join([*(part for part in parts if part), *_notes(block)])


def _title(benchmark: str, arms: Sequence[Arm]) -> str:
    about = f"{count(arms[0].questions)} questions" + (" (subset)" if arms[0].is_subset else "")
    return f"Accuracy on {benchmark} in %, {about}"


def accuracy_rows(
    arms: Sequence[Arm], results: Sequence[Result], block: Block, margin: float | None
) -> tuple[list[str], list[list[str]]]:
    """Header and rows; of `results` those whose arm has several."""
    name = block.baseline if len(block.baseline) <= MAX_HEADING else "baseline"
    header = ["arm", "seeds", "before -> after [95 %]"]
    if block.baseline:
        header += [f"minus {name} [95 %]", *([] if margin is None else [f"by {percent(margin)} points"]), "verdict"]
    rows = []
    for arm in arms:
        rows.append(_row(arm, margin))
        own = [one for one in results if one.arm == arm.name] if len(arm.runs) > 1 else []
        rows += [_seed_row(one, margin) for one in own]
        if own and arm.both is not None:
            rows.append(
                [
                    "  + questions",
                    "",
                    "",
                    points(Difference(*arm.both[:3])),
                    *([] if margin is None else [""]),
                    "",
                ]
            )
    return header, [row[: len(header)] for row in rows]


def _row(arm: Arm, margin: float | None) -> list[str]:
    minus = None if arm.verdict is None else Difference(*arm.verdict.mean[:3])
    within = [] if margin is None else [_within(arm)]
    after = f"{percent(arm.before)} -> {percent(arm.after.value)} {interval(arm.after.low, arm.after.high)}"
    seeds = NOTHING if arm.runs[0].is_evaluation else str(len(arm.runs))
    return [arm.name, seeds, after, points(minus), *within, arm.words]


def _within(arm: Arm) -> str:
    return NOTHING if arm.verdict is None else arm.verdict.within


def _seed_row(one: Result, margin: float | None) -> list[str]:
    before = percent(one.before.share if one.before else None)
    after = f"{before} -> {percent(one.after.share)} {interval(one.after.low, one.after.high)}"
    return [f"  seed {one.run.seed}", "", after, points(one.minus_baseline), *([] if margin is None else [""]), ""]


def how_to_read(block: Block, arms: dict[str, list[Arm]]) -> str:
    """What the intervals cover, what the verdicts hold for, and what could have been found at all."""
    verdicts = [arm.verdict for own in arms.values() for arm in own if arm.verdict is not None]
    lines = []
    if missing := missing_cells(block):
        lines.append(f"Missing, so not in the means: {'; '.join(missing)}.")
    found = {name: _detectable(own, 0.05 / len(verdicts)) for name, own in arms.items()} if verdicts else {}
    known = {name: values for name, values in found.items() if values}
    if known:
        lines.append(
            "Intervals of several seeds are over the seeds (Student's t): another training on the same questions; of one seed "
            "over its questions."
        )
        points_of = [f"{100 * median(values):.1f} points on {name}" for name, values in known.items()]
        lines.append(
            f"Verdicts hold for all {len(verdicts)} comparisons together (Holm, 5 %). {POWER_SAID[0].upper()}{POWER_SAID[1:]} "
            f"they find a true difference of {' and of '.join(points_of)} (the median of the arms)."
        )
    elif verdicts:
        lines.append(
            "The intervals cover the questions, not the training: another seed moves every row. Repeat with "
            "seed=0,1,2 before you claim a difference."
        )
    return "\n".join(lines)


def _detectable(arms: Sequence[Arm], alpha: float) -> list[float]:
    """The true difference that each arm would show, of those with several seeds."""
    means = [arm.verdict.mean for arm in arms if arm.verdict is not None]
    return [detectable(one.sd, one.n, alpha) for one in means if one.n > 1 and one.sd > 0]


def in_a_sentence(benchmark: str, arms: Sequence[Arm], block: Block) -> str:
    """The best arm in the mean, and what may be said of it."""
    best = max(arms, key=lambda arm: arm.after.value)
    text = f"On {benchmark} the highest mean is {best.name}'s, {percent(best.after.value)} %"
    if best.verdict is None:
        return f"{text} (the baseline)." if best.is_baseline else f"{text}."
    return f"{text}: {points(Difference(*best.verdict.mean[:3]))} points against {block.baseline}, {best.words}."


def remarks(block: Block) -> list[str]:
    """What the budgets mean, what signals cost, how they agree."""
    found = [f"Budgets: {budget(block.runs)}."]
    pairs = [(run, other) for run, other in block.baseline_of.items() if other is not None]
    if block.baseline != "full" and pairs:
        found.insert(0, f"The baseline is {block.baseline}; --baseline ARM takes another.")
    if pairs and block.trains_on_everything and all(is_budget_matched(run, full) for run, full in pairs):
        found.append("With equal budgets selection saves no training time: its cost comes on top of the full run's.")
    return found + signal_costs(block.runs) + correlation(block.runs)


def _legend(block: Block) -> list[str]:
    return ["\n".join(f"{shown}: {label}" for shown, label in block.legend.items())] if block.legend else []


def _notes(block: Block) -> list[str]:
    return ["\n".join(["Notes:", *(f"- {note}" for note in dict.fromkeys(block.notes))])] if block.notes else []


def _reported(block: Block) -> list[str]:
    rows = [([block.arms[run], str(run.seed)], run.facts) for run in block.runs]
    return [f"What parts report\n{one}" for one in fact_tables(["arm", "seed"], rows)]
