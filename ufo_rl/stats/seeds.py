"""What several seeds say together: the seed is the unit, and few seeds have wide intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class MeanOverSeeds(NamedTuple):
    """A mean over `n` seeds with its 95 % interval by Student's t; NaN ends where one seed has none."""

    value: float
    low: float
    high: float
    n: int


def mean_over_seeds(values: Sequence[float], outside: float = 0.05) -> MeanOverSeeds:
    """Of one number a seed, such as a paired difference to the baseline of the same seed: mean +- t(0.975, n - 1) s / sqrt(n).

    outside: the chance that the interval misses; less where several are looked at together.

    ValueError where there is none.
    """
    from scipy.stats import t

    found = np.asarray(values, dtype=np.float64)
    if found.size == 0:
        raise ValueError("mean_over_seeds needs a number of at least one seed")
    mean, n = float(found.mean()), int(found.size)
    if n == 1:
        return MeanOverSeeds(mean, float("nan"), float("nan"), n)
    half = float(t.ppf(1 - outside / 2, n - 1) * found.std(ddof=1) / np.sqrt(n))
    return MeanOverSeeds(mean, mean - half, mean + half, n)
