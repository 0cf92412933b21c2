"""The warnings of a comparison: each run's, and what only several seeds of an arm can show."""

from __future__ import annotations

from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.comparing.signatures import (
    MIN_SEEDS,
    alarms,
    costly_selection,
    rewards_of,
    unlike_seeds,
    unstable_training,
    worse_over_seeds,
    worse_than,
)
from ufo_rl.report.disk.run_record import Run


def warnings_of(block: Block) -> list[str]:
    """A line each. Where an arm can be compared in several seeds it is in their mean, not seed by seed: any single one may be
    unlucky."""
    arms: dict[str, list[Run]] = {}
    for run in block.runs:
        arms.setdefault(block.arms[run], []).append(run)
    of_arms, of_runs = _worse(block)
    found = []
    for arm, runs in arms.items():
        said = of_arms.get(arm, []) + unlike_seeds({run.seed: rewards_of(run.journal()) for run in runs})
        said += alarms({run.seed: run.journal() for run in runs})
        found += [f"- {arm}: {words}" for words in said]
    for run in block.runs:
        full = block.baseline_of[run] if block.trains_on_everything else None
        said = of_runs.get(run, []) + unstable_training(run.journal())
        found += [f"- {block.arms[run]} seed {run.seed}: {words}" for words in said + costly_selection(run, full)]
    return found


def _worse(block: Block) -> tuple[dict[str, list[str]], dict[Run, list[str]]]:
    """What is worse than the baseline: arms in the mean of their seeds, and runs of those that have too few."""
    seeds: dict[str, dict[str, dict[int, float]]] = {}
    for name, results in block.results.items():
        for one in results:
            if one.minus_baseline is not None:
                seeds.setdefault(name, {}).setdefault(one.arm, {})[one.run.seed] = one.minus_baseline.value
    several = {
        name: {arm: list(own.values()) for arm, own in arms.items() if len(own) >= MIN_SEEDS}
        for name, arms in seeds.items()
    }
    single = [
        (name, one)
        for name, results in block.results.items()
        for one in results
        if one.differences is not None and one.arm not in several[name]
    ]
    comparisons = sum(map(len, several.values())) + len(single)
    of_arms: dict[str, list[str]] = {}
    for name, minus in several.items():
        for arm, words in worse_over_seeds(block.baseline, name, minus, comparisons).items():
            of_arms.setdefault(arm, []).append(words)
    of_runs: dict[Run, list[str]] = {}
    for name, one in single:
        of_runs.setdefault(one.run, []).extend(worse_than(block.baseline, name, one.minus_baseline, comparisons))
    return of_arms, of_runs
