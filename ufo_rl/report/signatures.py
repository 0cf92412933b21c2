"""The failure signatures of the method as warnings: worse than full, unstable training, costly selection."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean, median, variance
from typing import Any

from ufo_rl.config.schema import SPENT
from ufo_rl.files.journal import number
from ufo_rl.report.run_record import Run
from ufo_rl.report.text import points, seconds
from ufo_rl.stats.intervals import Difference

# A gradient norm this many times its running median is a spike: an order of magnitude is beyond the noise of
# small batches. The logged norm is the one before clipping.
SPIKE_FACTOR = 10.0
# One spike is an unlucky batch, three are a trend.
MIN_SPIKES = 3
# Steps before the running median of the gradient norm is trusted.
MIN_STEPS_FOR_MEDIAN = 5
# The reward has fallen if the mean of the last third lies this many standard errors below the first
# third's: with steady reward about 1 run in 30 is flagged, so the warning asks for a look at the curve.
REWARD_DROP_ERRORS = 2.0
# Steps in a third below which its mean says nothing.
MIN_STEPS_IN_THIRD = 5


def worse_than(baseline: str, benchmark: str, difference: Difference | None) -> list[str]:
    """A warning if the whole 95 % interval of arm minus baseline lies below zero."""
    if difference is None or difference.high >= 0:
        return []
    return [f"worse than {baseline} on {benchmark}: {points(difference)} points, the interval excludes 0"]


def unstable_training(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Warnings from the train lines of a journal: numbers that are not finite, gradient spikes, falling
    reward.

    Lines of one step logged twice (a resumed stage) count once, the later one. Missing values are passed
    over.
    """
    steps = {
        line["step"]: line
        for line in lines
        if line.get("stage") == "train" and line.get("event") == "metrics" and line.get("step") is not None
    }
    ordered = [steps[step] for step in sorted(steps)]
    return _not_finite(ordered) + _gradient_spikes(ordered) + _falling_reward(ordered)


def alarms(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """What rang while it trained, in the journal's words: the first of each name."""
    first: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        if line.get("event") == "alarm":
            first.setdefault(line["name"], line)
    return [f"{name} at step {line['step']}: {line['words']}; {line['cure']}" for name, line in first.items()]


def costly_selection(arm: Run, full: Run | None) -> list[str]:
    """A warning if measuring and training took longer than training on everything.

    Signals count with what the whole pool cost when it was measured, also when this run found them stored.
    With as many steps as the full run no time could be saved: that is a matter of the budget, stated
    elsewhere, and not flagged.
    """
    if full is None or is_budget_matched(arm, full):
        return []
    train, train_full = arm.seconds.get("train"), full.seconds.get("train")
    if train is None or train_full is None or arm.signal_seconds + train <= train_full:
        return []
    return [
        f"selection cost more than it saved: signals {seconds(arm.signal_seconds)} s and training "
        f"{seconds(train)} s against {seconds(train_full)} s of training on everything"
    ]


def is_budget_matched(arm: Run, full: Run) -> bool:
    """True if both trained for the same number of steps, or were ended by the same tokens or seconds."""
    ended_by = arm.metrics.get("budget")
    if ended_by is not None and ended_by == full.metrics.get("budget") and ended_by.partition("=")[0] in SPENT:
        return True
    return arm.metrics.get("steps") is not None and arm.metrics.get("steps") == full.metrics.get("steps")


def _not_finite(steps: list[Mapping[str, Any]]) -> list[str]:
    found = []
    for name in ("loss", "reward", "grad_norm"):
        values = {line["step"]: number(line.get(name)) for line in steps}
        bad = [step for step, value in values.items() if value is not None and not math.isfinite(value)]
        if bad:
            found.append(f"unstable: {name} is not finite at {len(bad)} of {len(steps)} steps, first {bad[0]}")
    return found


def _gradient_spikes(steps: list[Mapping[str, Any]]) -> list[str]:
    # a batch without any advantage has a gradient of exactly 0: it says nothing about the usual size
    norms = [(line["step"], number(line.get("grad_norm"))) for line in steps]
    norms = [(step, norm) for step, norm in norms if norm is not None and math.isfinite(norm) and norm > 0]
    spikes = [
        step
        for i, (step, norm) in enumerate(norms)
        if i >= MIN_STEPS_FOR_MEDIAN and norm > SPIKE_FACTOR * median(before for _, before in norms[:i])
    ]
    if len(spikes) < MIN_SPIKES:
        return []
    return [
        f"unstable: gradient norm above {SPIKE_FACTOR:g} x its running median at {len(spikes)} of "
        f"{len(steps)} steps, first {spikes[0]}"
    ]


def _falling_reward(steps: list[Mapping[str, Any]]) -> list[str]:
    rewards = [number(line.get("reward")) for line in steps]
    rewards = [reward for reward in rewards if reward is not None and math.isfinite(reward)]
    third = len(rewards) // 3
    if third < MIN_STEPS_IN_THIRD:
        return []
    first, last = rewards[:third], rewards[-third:]
    error = math.sqrt((variance(first) + variance(last)) / third)
    if fmean(first) - fmean(last) <= REWARD_DROP_ERRORS * error:
        return []
    return [
        f"unstable: reward fell from {fmean(first):.3f} (first third of the steps) to {fmean(last):.3f} "
        f"(last third), more than {REWARD_DROP_ERRORS:g} standard errors"
    ]
