"""The comparison as records: each run paired with its baseline's, question by question."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ufo_rl.errors import UserError, nearest
from ufo_rl.report.comparing.arm_labels import arm_labels, in_order, settings, shown_labels
from ufo_rl.report.disk.kept_record import KeptRun, by_position
from ufo_rl.report.disk.run_record import AGAIN, BenchmarkAccuracy, EvaluatedModel, Run
from ufo_rl.stats.bootstrap import paired_bootstrap
from ufo_rl.stats.intervals import Difference, paired_difference

# Selectors that are baselines where none is asked for, the first that a block has.
USUAL_BASELINES = ("full", "random")


@dataclass(frozen=True)
class Result:
    """One run on one benchmark; `minus_baseline` is paired by the ids of its questions, `differences` by these: how much
    more of each question it has right."""

    run: Run
    arm: str
    before: BenchmarkAccuracy | None
    after: BenchmarkAccuracy
    minus_baseline: Difference | None
    is_baseline: bool
    differences: Mapping[str, float] | None = None

    @property
    def changed(self) -> float:
        """Questions whose answer is right in one of the two and wrong in the other; of several samples a share of them.
        Infinite
        where the questions are not known."""
        return math.inf if self.differences is None else sum(map(abs, self.differences.values()))


@dataclass
class Block:
    """The complete runs of one model, dataset and template, or all evaluations. `baseline`: what the others are compared
    with, a selector or an arm, "" where nothing is. `legend`: what labels that are numbered, for their length, stand for.
    `notes`: what could not be compared, and why."""

    setting: tuple[str, str, str]
    runs: list[Run]
    baseline: str = USUAL_BASELINES[0]
    arms: dict[Run, str] = field(default_factory=dict)
    legend: dict[str, str] = field(default_factory=dict)
    baseline_of: dict[Run, Run | None] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def label(self, run: Run) -> str:
        """The arm in full."""
        return self.legend.get(self.arms[run], self.arms[run])

    @property
    def holds_evaluations(self) -> bool:
        return isinstance(self.runs[0], EvaluatedModel)

    @property
    def trains_on_everything(self) -> bool:
        """Whether the baseline is the training on all prompts."""
        return all(one.selector == "full" for one in self.baseline_of.values() if one is not None)


def gather(runs: list[Run], baseline: str | None = None, are_short: bool = True) -> list[Block]:
    """The complete runs in blocks, those of the baseline first, then in the order of arm and seed.

    baseline: an arm as tables call it, or a selector; None takes `full`, or `random` where nothing trains on everything.
    are_short: labels that a terminal has no room for are numbered. UserError where no block has the baseline."""
    blocks: dict[tuple[str, str, str], Block] = {}
    for run in runs:
        if run.is_complete:
            blocks.setdefault(run.setting, Block(run.setting, [])).runs.append(run)
    for block in blocks.values():
        block.runs.sort(key=lambda run: (run.selector != "full", run.selector, run.share, run.seed, run.id))
        labels = arm_labels(block.runs)
        block.runs.sort(
            key=lambda run: (run.selector != "full", run.selector, run.share, in_order(labels[run]), run.seed)
        )
        block.runs = _newest(block, labels)
        ordered = {run: labels[run] for run in block.runs}
        block.arms, block.legend = shown_labels(ordered) if are_short else (ordered, {})
    found = {setting: _baseline(block, baseline) for setting, block in blocks.items()}
    if baseline is not None and blocks and not any(found.values()):
        known = list(dict.fromkeys(block.label(run) for block in blocks.values() for run in block.runs))
        selectors = {run.selector for block in blocks.values() for run in block.runs}
        raise UserError(
            f"--baseline {baseline}: no such arm{nearest(baseline, [*known, *selectors])} (arms: {', '.join(known)})"
        )
    for setting, block in blocks.items():
        _pair(block, found[setting])
    return list(blocks.values())


def _newest(block: Block, labels: Mapping[Run, str]) -> list[Run]:
    """One run an arm and seed: of several the newest, a folder before its record."""
    if block.holds_evaluations:
        return block.runs
    alike: dict[tuple[str, int], list[Run]] = {}
    for run in block.runs:
        alike.setdefault((labels[run], run.seed), []).append(run)
    several: dict[str, list[str]] = {}
    for (label, seed), own in alike.items():
        if len(own) > 1:
            several.setdefault(label, []).append(str(seed))
    block.notes += [
        f"{label} seed {', '.join(seeds)}: there more than once, the newest counts" for label, seeds in several.items()
    ]
    return [max(own, key=lambda run: (run.created, not isinstance(run, KeptRun))) for own in alike.values()]


def _baseline(block: Block, asked: str | None) -> list[Run]:
    """The runs of the baseline, whose name the block keeps."""
    if asked is None:
        if block.holds_evaluations:
            block.baseline = ""
            return []
        there = {run.selector for run in block.runs}
        asked = next((name for name in USUAL_BASELINES if name in there), "")
    block.baseline = asked
    for name_of in (block.arms.get, block.label, lambda run: run.arm, lambda run: run.selector):
        if own := [run for run in block.runs if name_of(run) == asked]:
            return own
    return []


def _pair(block: Block, baseline: list[Run]) -> None:
    block.runs.sort(key=lambda run: run not in baseline)
    for run in block.runs:
        asked = run.config.get("eval") or {}
        lost = [name for name in asked if name not in run.benchmarks] if isinstance(asked, Mapping) else []
        if lost and not isinstance(run, EvaluatedModel):
            who = f"{block.arms[run]} seed {run.seed}"
            block.notes.append(f"{who}: no result on {', '.join(lost)}, which it was asked; {AGAIN}")
    block.baseline_of = {run: _partner(run, baseline, block) for run in block.runs}
    arms = dict.fromkeys(block.arms[run] for run in baseline)
    met = {block.arms[run] for run in block.baseline_of.values() if run is not None}
    if idle := [arm for arm in arms if arm not in met and len(arms) > 1]:
        is_one = len(idle) == 1
        block.notes.append(
            f"{', '.join(idle)}: {'is' if is_one else 'are'} {block.baseline} too, and compared with nothing; "
            "--baseline ARM names one for all"
        )
    for benchmark in dict.fromkeys(name for run in block.runs for name in run.benchmarks):
        block.results[benchmark] = [
            _result(run, benchmark, block, run in baseline) for run in block.runs if benchmark in run.benchmarks
        ]


def _alike(one: Run, other: Run, benchmark: str) -> tuple[Mapping[str, float] | None, Mapping[str, float] | None]:
    """Their answers; beside a record, which keeps no ids, questions are called as it calls them."""
    answers = one.correct_after(benchmark), other.correct_after(benchmark)
    if isinstance(one, KeptRun) == isinstance(other, KeptRun):
        return answers
    first, second = (
        table if table is None or isinstance(run, KeptRun) else by_position(table)
        for run, table in zip((one, other), answers, strict=True)
    )
    return first, second


def change(run: Run, benchmark: str) -> Difference | None:
    """After minus before, paired by question; None if a table is gone or the questions differ."""
    return paired(run.correct_before(benchmark), run.correct_after(benchmark))


def paired(a: Mapping[str, float] | None, b: Mapping[str, float] | None) -> Difference | None:
    """b minus a over the same questions; None if one is missing or they answered different questions.

    Several samples a question make shares between 0 and 1: then the interval is the bootstrap's over the questions.
    """
    if not a or not b or a.keys() != b.keys():
        return None
    shares = list(a.values()), [b[question] for question in a]
    is_plain = all(share in (0.0, 1.0) for share in (*shares[0], *shares[1]))
    return paired_difference(*shares) if is_plain else paired_bootstrap(*shares, seed=0)


def _partner(run: Run, baseline: list[Run], block: Block) -> Run | None:
    """The baseline's run of this seed: if possible of the same settings and ratio, then the same folder, then the newest."""
    if run in baseline or not block.baseline:
        return None
    who = block.arms[run] if block.holds_evaluations else f"{block.arms[run]} seed {run.seed}"
    candidates = [other for other in baseline if other.seed == run.seed]
    if not candidates:
        whose = who if block.holds_evaluations else f"seed {run.seed}"
        block.notes.append(f"{whose}: no complete {block.baseline} run to compare with")
        return None
    if run.selector == "full" and len({other.share for other in candidates}) > 1:
        ratios = ", ".join(sorted({block.arms[other] for other in candidates}))
        block.notes.append(f"full: compared with none of {ratios}; --baseline ARM names one")
        return None
    best = max(
        candidates,
        key=lambda other: (
            _same_settings(other, run),
            other.share == run.share,
            other.folder.parent == run.folder.parent,
            other.created,
        ),
    )
    differ = any(not _same_settings(candidates[0], other) for other in candidates)
    if differ and not _same_settings(best, run) and not block.holds_evaluations:
        block.notes.append(
            f"{block.arms[run]}: no {block.baseline} run has its settings; --baseline ARM names one for all"
        )
        return None
    if not _same_settings(best, run) and not block.holds_evaluations:
        block.notes.append(f"{block.arms[run]}: compared with {block.arms[best]}, whose settings differ")
    if best.selector != "full" and best.share != run.share and run.selector != "full":
        block.notes.append(
            f"{block.arms[run]}: compared with {block.arms[best]}, which keeps another share of the prompts"
        )
    return best


def _same_settings(baseline: Run, run: Run) -> bool:
    """True if only the selection differs: one may measure no signal, one run may lack a benchmark."""
    one, other = settings(baseline), settings(run)
    keys = {key for key in one.keys() | other.keys() if not key.startswith(("signal.", "eval."))}
    keys |= {key for key in one.keys() & other.keys() if key.startswith("eval.")}
    return all(one.get(key) == other.get(key) for key in keys)


def _result(run: Run, benchmark: str, block: Block, is_baseline: bool) -> Result:
    before, after = run.before(benchmark), run.after(benchmark)
    baseline, difference, by_question = block.baseline_of[run], None, None
    if baseline is not None:
        theirs, own = _alike(baseline, run, benchmark)
        difference = paired(theirs, own)
        if theirs is not None and own is not None and difference is not None:
            by_question = {question: own[question] - theirs[question] for question in sorted(own)}
        elif not (run.has_questions and baseline.has_questions):
            difference = Difference(after.share - baseline.after(benchmark).share, math.nan, math.nan)
        if difference is None:
            seed = "" if block.holds_evaluations else f" seed {run.seed}"
            block.notes.append(
                f"{block.arms[run]}{seed}: not paired with {block.baseline} on {benchmark}: the table of "
                "questions is missing or holds other questions"
            )
    return Result(run, block.arms[run], before, after, difference, is_baseline, by_question)
