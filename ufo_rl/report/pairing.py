"""The comparison as records: each run paired with its full run, question by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from ufo_rl.config.identity import volatile
from ufo_rl.files.flat import flat
from ufo_rl.report.run_record import BenchmarkAccuracy, Run
from ufo_rl.stats.bootstrap import paired_bootstrap
from ufo_rl.stats.intervals import Difference, paired_difference

# Keys, with all below them, that make another arm or seed of one experiment.
ARM = ("selector", "ratio", "seed")
# Settings that a label spells out; more would not fit the first column.
MAX_MARKS = 3


@dataclass(frozen=True)
class Result:
    """One run on one benchmark; `minus_full` is paired by the ids of its questions."""

    run: Run
    arm: str
    before: BenchmarkAccuracy | None
    after: BenchmarkAccuracy
    minus_full: Difference | None
    is_baseline: bool


@dataclass(frozen=True)
class Mean:
    """An arm over its seeds: means of the accuracies, and the range and mean of the differences to full."""

    arm: str
    seeds: int
    before: float | None
    after: float
    after_range: tuple[float, float]
    minus_full: float | None
    minus_full_range: tuple[float, float] | None


@dataclass
class Block:
    """The complete runs of one model, dataset and template. `notes`: what could not be compared, and why."""

    setting: tuple[str, str, str]
    runs: list[Run]
    arms: dict[Run, str] = field(default_factory=dict)
    full_of: dict[Run, Run | None] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def gather(runs: list[Run]) -> list[Block]:
    """The complete runs in blocks, full runs first, then in the order of arm and seed."""
    blocks: dict[tuple[str, str, str], Block] = {}
    for run in runs:
        if run.is_complete:
            blocks.setdefault(run.setting, Block(run.setting, [])).runs.append(run)
    for block in blocks.values():
        block.runs.sort(key=lambda run: (run.selector != "full", run.selector, run.value("ratio.value"), run.seed))
        block.arms = _labels(block.runs)
        block.full_of = {run: _full_run(run, block) for run in block.runs}
        for benchmark in dict.fromkeys(name for run in block.runs for name in run.benchmarks):
            block.results[benchmark] = [
                _result(run, benchmark, block) for run in block.runs if benchmark in run.benchmarks
            ]
    return list(blocks.values())


def means(results: list[Result]) -> list[Mean]:
    """One record per arm with more than one seed."""
    by_arm: dict[str, list[Result]] = {}
    for result in results:
        by_arm.setdefault(result.arm, []).append(result)
    return [_mean(arm, group) for arm, group in by_arm.items() if len({one.run.seed for one in group}) > 1]


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


def settings(run: Run) -> dict[str, str]:
    """The configuration that makes the experiment, without the selection: dotted keys, values as text."""
    others = (*volatile(run.config), *ARM)
    return {
        key: str(value)
        for key, value in flat(run.config, ".").items()
        if not any(key == name or key.startswith(f"{name}.") for name in others)
    }


def _labels(runs: list[Run]) -> dict[Run, str]:
    """The arm of each run, with the settings that most runs of the block or of its selector do not share."""
    marks = _unusual({run: {k: v for k, v in settings(run).items() if not k.startswith("eval.")} for run in runs})
    for selector in {run.selector for run in runs}:
        alike = [run for run in runs if run.selector == selector]
        own = {run: {key: str(value) for key, value in run.config["selector"].items()} for run in alike}
        for run, unusual in _unusual(own).items():
            marks[run] += unusual
    labels = {}
    for run in runs:
        more = [f"+{len(marks[run]) - MAX_MARKS}"] if len(marks[run]) > MAX_MARKS else []
        labels[run] = " ".join([run.arm, *marks[run][:MAX_MARKS], *more])
    return labels


def _unusual(flat: dict[Run, dict[str, str]]) -> dict[Run, list[str]]:
    """`key=value` for each value of a run that most runs do not share; on a tie the first run's is usual."""
    usual = {
        key: Counter(one.get(key) for one in flat.values()).most_common(1)[0][0]
        for key in dict.fromkeys(key for one in flat.values() for key in one)
    }
    return {
        run: [f"{key.rsplit('.', 1)[-1]}={one.get(key)}" for key in usual if one.get(key) != usual[key]]
        for run, one in flat.items()
    }


def _full_run(run: Run, block: Block) -> Run | None:
    """The full run of this seed: if possible of the same settings, then the same folder, then the newest."""
    if run.selector == "full":
        return None
    candidates = [other for other in block.runs if other.selector == "full" and other.seed == run.seed]
    if not candidates:
        block.notes.append(f"{block.arms[run]} seed {run.seed}: no complete full run of this seed to compare with")
        return None
    best = max(
        candidates,
        key=lambda other: (
            _same_settings(other, run),
            other.folder.parent == run.folder.parent,
            other.created,
        ),
    )
    if not _same_settings(best, run):
        block.notes.append(f"{block.arms[run]} seed {run.seed}: compared with {best.id}, whose settings differ")
    return best


def _same_settings(full: Run, run: Run) -> bool:
    """True if only the selection differs: a full run measures no signal, one run may lack a benchmark."""
    one, other = settings(full), settings(run)
    keys = {key for key in one.keys() | other.keys() if not key.startswith(("signal.", "eval."))}
    keys |= {key for key in one.keys() & other.keys() if key.startswith("eval.")}
    return all(one.get(key) == other.get(key) for key in keys)


def _result(run: Run, benchmark: str, block: Block) -> Result:
    before, after = run.before(benchmark), run.after(benchmark)
    full, minus_full = block.full_of[run], None
    if full is not None:
        minus_full = paired(full.correct_after(benchmark), run.correct_after(benchmark))
        if minus_full is None:
            block.notes.append(
                f"{block.arms[run]} seed {run.seed}: not paired with full on {benchmark}: the table of "
                "questions is missing or holds other questions"
            )
    return Result(
        run=run,
        arm=block.arms[run],
        before=before,
        after=after,
        minus_full=minus_full,
        is_baseline=run.selector == "full",
    )


def _mean(arm: str, group: list[Result]) -> Mean:
    before = [one.before.share for one in group if one.before is not None]
    after = [one.after.share for one in group]
    gaps = [one.minus_full.value for one in group if one.minus_full is not None]
    return Mean(
        arm=arm,
        seeds=len(group),
        before=fmean(before) if before else None,
        after=fmean(after),
        after_range=(min(after), max(after)),
        minus_full=fmean(gaps) if gaps else None,
        minus_full_range=(min(gaps), max(gaps)) if gaps else None,
    )
