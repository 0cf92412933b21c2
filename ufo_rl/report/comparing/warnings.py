"""The warnings of a comparison: each run's, and what only several seeds of an arm can show."""

from __future__ import annotations

from ufo_rl.report.comparing.arms import arms_of
from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.comparing.signatures import (
    alarms,
    costly_selection,
    rewards_of,
    unlike_seeds,
    unstable_training,
    worse,
)
from ufo_rl.report.disk.run_record import Run


def warnings_of(block: Block) -> list[str]:
    """A line each."""
    arms: dict[str, list[Run]] = {}
    for run in block.runs:
        arms.setdefault(block.arms[run], []).append(run)
    of_arms, found = _worse(block), []
    for arm, runs in arms.items():
        said = of_arms.get(arm, []) + unlike_seeds({run.seed: rewards_of(run.journal()) for run in runs})
        said += alarms({run.seed: run.journal() for run in runs})
        found += [f"- {arm}: {words}" for words in said]
    for run in block.runs:
        full = block.baseline_of[run] if block.trains_on_everything else None
        said = unstable_training(run.journal())
        found += [f"- {block.arms[run]} seed {run.seed}: {words}" for words in said + costly_selection(run, full)]
    return found


def _worse(block: Block) -> dict[str, list[str]]:
    """By arm, what the verdicts of the tables call worse than the baseline."""
    judged = [
        (benchmark, arm.name, arm.verdict)
        for benchmark, arms in arms_of(block).items()
        for arm in arms
        if arm.verdict is not None
    ]
    found: dict[str, list[str]] = {}
    for benchmark, arm, verdict in judged:
        found.setdefault(arm, []).extend(worse(block.baseline, benchmark, verdict, len(judged)))
    return found
