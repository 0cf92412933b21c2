"""What several seeds say together: the seed is the unit, and few seeds have wide intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class MeanOverSeeds(NamedTuple):
    """A mean over `n` seeds with its 95 % interval by Student's t; NaN ends where one seed has none."""

    value: float
    low: float
    high: float
    n: int


def mean_over_seeds(values: Sequence[float]) -> MeanOverSeeds:
    """Of one number a seed, such as a paired difference to the baseline of the same seed: mean +- t(0.975, n - 1) s / sqrt(n).

    ValueError where there is none.
    """
    from scipy.stats import t

    found = np.asarray(values, dtype=np.float64)
    if found.size == 0:
        raise ValueError("mean_over_seeds needs a number of at least one seed")
    mean, n = float(found.mean()), int(found.size)
    if n == 1:
        return MeanOverSeeds(mean, float("nan"), float("nan"), n)
    half = float(t.ppf(0.975, n - 1) * found.std(ddof=1) / np.sqrt(n))
    return MeanOverSeeds(mean, mean - half, mean + half, n)


def means_together(groups: Mapping[str, Sequence[float]], comparisons: int) -> dict[str, MeanOverSeeds]:
    """Of several groups whose seeds spread alike, at least two seeds each: their means with intervals that hold at 95 % for all
    `comparisons` together (Bonferroni), mean +- t(1 - 0.025 / comparisons, d) s / sqrt(n) with one variance s^2 of all groups
    and its d = sum(n - 1) degrees of freedom. Of one group and one comparison it is `mean_over_seeds`."""
    from scipy.stats import t

    found = {name: np.asarray(values, dtype=np.float64) for name, values in groups.items()}
    freedom = sum(own.size - 1 for own in found.values())
    spread = np.sqrt(sum(float(own.var(ddof=1)) * (own.size - 1) for own in found.values()) / freedom)
    factor = float(t.ppf(1 - 0.025 / comparisons, freedom)) * float(spread)
    return {
        name: MeanOverSeeds(mean := float(own.mean()), mean - (half := factor / own.size**0.5), mean + half, own.size)
        for name, own in found.items()
    }
