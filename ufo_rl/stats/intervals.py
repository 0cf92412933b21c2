"""95 % intervals: one proportion, the difference of two paired proportions, a rank correlation."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

# The 0.975 quantile of the standard normal distribution: every interval here is a two-sided 95 % interval.
Z95 = 1.959963984540054


class Difference(NamedTuple):
    """A difference of two proportions, in -1..1, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def contains_zero(self) -> bool:
        """True if the data show no difference at the 95 % level."""
        return self.low <= 0.0 <= self.high


class RankCorrelation(NamedTuple):
    """Spearman's rho in -1..1 with its 95 % interval over `n` complete pairs; NaN where it is not defined."""

    rho: float
    low: float
    high: float
    n: int


def wilson(num_correct: float, n: int) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927, JASA 22:209; Brown, Cai, DasGupta 2001).

    Never leaves 0..1, has width even at 0 or n correct; `num_correct` may be a sum of shares. ValueError for n < 1 or
    num_correct outside 0..n.
    """
    if n < 1 or not 0 <= num_correct <= n:
        raise ValueError(f"wilson needs n >= 1 and num_correct in 0..n, got {num_correct}, n={n}")
    share, z2 = num_correct / n, Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if num_correct == 0 else centre - half
    high = 1.0 if num_correct == n else centre + half
    return low, high


def paired_difference(correct_a: ArrayLike, correct_b: ArrayLike) -> Difference:
    """Share correct of b minus share correct of a: two 0/1 arrays over the same questions in the same order.

    The value is the plain difference; the interval is the adjusted Wald interval of Bonett and Price (2012,
    J. Educ. Behav. Stat. 37:479), which adds one to each of the two discordant counts. Simulated at n = 100
    and 500 with 0.4 to 30 % discordant pairs it covered at least 95.0 % (Agresti-Min 94.5 %, plain Wald
    93.5 %), and without any discordant pair it still has width. ValueError for empty or unequal arrays and
    for other values.
    """
    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"paired_difference needs equally long, non-empty arrays, got {a.shape}, {b.shape}")
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise ValueError("paired_difference needs arrays of 0 and 1 (wrong and correct)")
    a, b = a.astype(bool), b.astype(bool)
    n, gained, lost = a.size, int((b & ~a).sum()), int((a & ~b).sum())
    share_gained, share_lost = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    centre = share_gained - share_lost
    half = Z95 * math.sqrt((share_gained + share_lost - centre * centre) / (n + 2))
    return Difference((gained - lost) / n, max(-1.0, centre - half), min(1.0, centre + half))


def spearman(x: ArrayLike, y: ArrayLike) -> RankCorrelation:
    """Spearman's rank correlation with average ranks for ties, and the interval of Bonett and Wright (2000).

    Interval: tanh(atanh(rho) -+ z sqrt((1 + rho^2/2) / (n - 3))), Psychometrika 65:23; rough above |rho| =
    0.9. It is written out here because scipy has an interval for Pearson's correlation alone, whose variance
    1 / (n - 3) is too small for ranks. Pairs with a NaN in either column are left out and `n` counts the rest. A
    constant column (or fewer than 2 pairs) has no rho: NaN. Fewer than 4 pairs say nothing about the interval: (-1, 1).
    |rho| = 1 has the interval (rho, rho). ValueError for unequal lengths.
    """
    from scipy.stats import spearmanr

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"spearman needs two 1-D arrays of equal length, got {x.shape} and {y.shape}")
    complete = ~(np.isnan(x) | np.isnan(y))
    x, y, n = x[complete], y[complete], int(complete.sum())
    if n < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, n)
    found: Any = spearmanr(x, y)  # scipy carries no types
    rho = float(found.statistic)
    if n < 4:
        return RankCorrelation(rho, -1.0, 1.0, n)
    if abs(rho) >= 1 - 1e-12:
        return RankCorrelation(math.copysign(1.0, rho), math.copysign(1.0, rho), math.copysign(1.0, rho), n)
    half = Z95 * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return RankCorrelation(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)
