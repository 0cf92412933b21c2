"""The warnings of a comparison: each run's, and what only several seeds of an arm can show."""

from __future__ import annotations

from ufo_rl.report.pairing import Block
from ufo_rl.report.run_record import Run
from ufo_rl.report.signatures import (
    MIN_SEEDS,
    alarms,
    costly_selection,
    rewards_of,
    unlike_seeds,
    unstable_training,
    worse_over_seeds,
    worse_than,
)


def warnings_of(block: Block) -> list[str]:
    """A line each. An arm of several seeds is held against the baseline in their mean, not seed by seed: any single one may be
    unlucky."""
    arms: dict[str, list[Run]] = {}
    for run in block.runs:
        arms.setdefault(block.arms[run], []).append(run)
    several = {arm: runs for arm, runs in arms.items() if len({run.seed for run in runs}) >= MIN_SEEDS}
    found = [f"- {arm}: {words}" for arm, runs in several.items() for words in _of_arm(block, arm, runs)]
    for run in block.runs:
        arm = block.arms[run]
        said = [] if arm in several else _of_accuracy(block, run)
        full = block.baseline_of[run] if block.trains_on_everything else None
        said += unstable_training(run.journal()) + alarms(run.journal()) + costly_selection(run, full)
        found += [f"- {arm} seed {run.seed}: {words}" for words in said]
    return found


def _of_arm(block: Block, arm: str, runs: list[Run]) -> list[str]:
    found = []
    compared = {name: [one for one in own if one.minus_baseline is not None] for name, own in block.results.items()}
    num_arms = len({one.arm for own in compared.values() for one in own})
    for name, results in compared.items():
        minus = [one.minus_baseline.value for one in results if one.arm == arm and one.minus_baseline is not None]
        if len(minus) >= MIN_SEEDS:
            found += worse_over_seeds(block.baseline, name, minus, num_arms * len(compared))
    return found + unlike_seeds({run.seed: rewards_of(run.journal()) for run in runs})


def _of_accuracy(block: Block, run: Run) -> list[str]:
    compared = [(name, one) for name, own in block.results.items() for one in own if one.minus_baseline is not None]
    return [
        warning
        for name, one in compared
        if one.run is run
        for warning in worse_than(block.baseline, name, one.minus_baseline, len(compared))
    ]
