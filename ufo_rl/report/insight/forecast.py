"""The share of groups that will carry a gradient, foretold from stored pass rates, and what the training made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ufo_rl.files.journal import number, train_steps
from ufo_rl.report.insight.pool_table import Scored
from ufo_rl.stats.bootstrap import clustered_bootstrap
from ufo_rl.stats.samples import pass_at_k

SEED = 0  # of the bootstrap


class LiveShare(NamedTuple):
    """A share with its 95 % interval over `n` prompts, by bootstrap; of steps, which depend on each other, without one."""

    value: float
    low: float | None
    high: float | None
    n: int


def live_chance(num_correct: np.ndarray, num_samples: int, group: int) -> np.ndarray:
    """For each prompt, (N,) counts of right samples, the chance that a group of `group` completions holds right and wrong ones:
    1 - p^G - (1-p)^G. Estimated without bias from the samples where there are as many as a group has, as pass@G of the right
    ones and of the wrong ones (Chen et al. 2021, eq. 1); else with their share in place of p, which is too high on average near
    0 and 1. ValueError for a group of fewer than 2."""
    if group < 2:
        raise ValueError(f"a group needs 2 completions or more, got {group}")
    if num_samples >= group:
        right, wrong = (pass_at_k(one, num_samples, group) for one in (num_correct, num_samples - num_correct))
        return right + wrong - 1
    p = num_correct / num_samples
    return 1 - p**group - (1 - p) ** group


def forecast(pool: Scored, group: int, only_kept: bool = True) -> LiveShare | None:
    """Of the kept prompts, or of all; None where no pass rates are stored. By right and wrong answers alone: a group
    whose rewards differ for another reason (the form) is live too."""
    if pool.pass_rate is None or pool.samples is None:
        return None
    known = np.isfinite(pool.pass_rate) & (pool.samples > 0) & (pool.kept | (not only_kept))
    if not known.any():
        return None
    samples, counts = pool.samples[known].astype(int), np.round(pool.pass_rate[known] * pool.samples[known]).astype(int)
    live = np.empty(len(counts))
    for size in np.unique(samples):
        own = samples == size
        live[own] = live_chance(counts[own], int(size), group)
    live = np.clip(live, 0.0, 1.0)
    low, high = clustered_bootstrap(live, SEED)
    return LiveShare(float(live.mean()), low, high, len(live))


def realised(lines: Iterable[Mapping[str, Any]], first: int | None = None) -> LiveShare | None:
    """The share of trained groups whose rewards differed, from a journal's steps; of the first so many steps alone, before the
    training has moved the pass rates."""
    shares = [found for line in train_steps(lines) if (found := number(line.get("frac_reward_zero_std"))) is not None]
    chosen = shares[:first]
    return LiveShare(1 - float(np.mean(chosen)), None, None, len(chosen)) if chosen else None
