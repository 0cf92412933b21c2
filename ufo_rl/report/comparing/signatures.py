"""The failure signatures of the method as warnings, each with its evidence and a cure: worse than full, unstable training,
costly selection."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median, variance
from typing import Any

from ufo_rl.config.training_schema import SPENT
from ufo_rl.files.journal import number, train_steps
from ufo_rl.report.comparing.judgement import Judgement
from ufo_rl.report.disk.run_record import Run
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
# Seeds are unlike where one gains less reward than the median seed by both: so many standard errors, and that share of the
# reward it began with. Seeds draw other prompts, so that the rewards themselves differ in a healthy training too.
SPREAD_ERRORS, SPREAD_SHARE, MIN_SEEDS = 5.0, 0.2, 3

CURE_WORSE = "keep more prompts (ratio), or take another selector, or another target of its signal"
CURE_UNSTABLE = "lower train.learning_rate, or train on more prompts a step; look at the curve"
CURE_COSTLY = "score in one forward pass (selector=ufo), once for several runs, or keep fewer prompts"


def worse(baseline: str, benchmark: str, found: Judgement, comparisons: int) -> list[str]:
    """A warning if the verdict on an arm, which holds for all `comparisons` together, is that it is worse."""
    if not found.is_worse:
        return []
    mean = found.mean
    over = f" in the mean of {mean.n} seeds" if mean.n > 1 else " (one seed)"
    among = f" (among {comparisons} comparisons)" if comparisons > 1 else ""
    words = f"worse than {baseline} on {benchmark}{over}: {points(Difference(*mean[:3]))} points{among}"
    return [f"{words}; {CURE_WORSE}"]


def unlike_seeds(rewards: Mapping[int, Sequence[float]]) -> list[str]:
    """A warning if the reward of one seed grows far less than that of the median seed, of the steps' rewards by seed."""
    thirds = {seed: _thirds(own) for seed, own in rewards.items()}
    gains = {seed: (fmean(last) - fmean(first), _error(first, last)) for seed, (first, last) in thirds.items() if first}
    if len(gains) < MIN_SEEDS:
        return []
    usual, error = median(gain for gain, _ in gains.values()), median(error for _, error in gains.values())
    began = fmean(abs(fmean(thirds[seed][0])) for seed in gains)
    behind = {
        seed: gain
        for seed, (gain, own) in gains.items()
        if usual - gain > max(SPREAD_ERRORS * math.hypot(own, error), SPREAD_SHARE * began)
    }
    if not behind:
        return []
    told = ", ".join(f"{gain:+.3f} in seed {seed}" for seed, gain in behind.items())
    return [
        f"unstable: seeds are unlike, from the first third of the steps to the last reward changes by {told}, by {usual:+.3f} "
        f"in the median seed; {CURE_UNSTABLE}"
    ]


def rewards_of(lines: Iterable[Mapping[str, Any]]) -> list[float]:
    """The finite rewards of a journal's steps, in order."""
    found = [number(line.get("reward")) for line in train_steps(lines)]
    return [reward for reward in found if reward is not None and math.isfinite(reward)]


def unstable_training(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Warnings from the train lines of a journal: numbers that are not finite, gradient spikes, falling
    reward.

    Missing values are passed over."""
    steps = train_steps(lines)
    found = _not_finite(steps) + _gradient_spikes(steps) + _falling_reward(steps)
    return [f"{words}; {CURE_UNSTABLE}" for words in found]


def alarms(journals: Mapping[int, Iterable[Mapping[str, Any]]]) -> list[str]:
    """What rang while an arm trained, in the words of the seed in which it rang first; of each name once. journals: by seed."""
    rang: dict[str, dict[int, Mapping[str, Any]]] = {}
    for seed, lines in journals.items():
        for line in lines:
            if line.get("event") == "alarm":
                rang.setdefault(line["name"], {}).setdefault(seed, line)
    found = []
    for name, seeds in rang.items():
        seed, line = min(seeds.items(), key=lambda item: (item[1]["step"], item[0]))
        among = f" in {len(seeds)} of {len(journals)} seeds, first in seed {seed}" if len(journals) > 1 else ""
        found.append(f"{name}{among} at step {line['step']}: {line['words']}; {line['cure']}")
    return found


def costly_selection(arm: Run, full: Run | None) -> list[str]:
    """A warning if measuring and training took longer than training on everything.

    Signals count with what the whole pool cost when it was measured, also when this run found them stored. With as many steps
    as the full run no time could be saved: that is a matter of the budget, stated elsewhere, and not flagged."""
    if full is None or is_budget_matched(arm, full):
        return []
    train, train_full = arm.seconds.get("train"), full.seconds.get("train")
    if train is None or train_full is None or arm.signal_seconds + train <= train_full:
        return []
    return [
        f"selection cost more than it saved: signals {seconds(arm.signal_seconds)} s and training "
        f"{seconds(train)} s against {seconds(train_full)} s of training on everything; {CURE_COSTLY}"
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
    first, last = _thirds(rewards_of(steps))
    if not first or fmean(first) - fmean(last) <= REWARD_DROP_ERRORS * _error(first, last):
        return []
    return [
        f"unstable: reward fell from {fmean(first):.3f} (first third of the steps) to {fmean(last):.3f} "
        f"(last third), more than {REWARD_DROP_ERRORS:g} standard errors"
    ]


def _thirds(rewards: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The first and the last third of the steps; nothing of a training too short to say anything."""
    third = len(rewards) // 3
    return (rewards[:third], rewards[-third:]) if third >= MIN_STEPS_IN_THIRD else ([], [])


def _error(first: Sequence[float], last: Sequence[float]) -> float:
    """The standard error of the difference of their means."""
    return math.sqrt((variance(first) + variance(last)) / len(first))
