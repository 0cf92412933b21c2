"""What a number of seeds can show: the smallest difference that would be found, and the seeds that a difference would need."""

from __future__ import annotations

import math
from typing import Any

POWER = 0.8  # of ten true differences of that size, eight are found
MAX_SEEDS = 1000


def power_of(difference: float, sd: float, seeds: int, alpha: float = 0.05) -> float:
    """The chance that the two-sided t test of `seeds` paired differences at level `alpha` finds a true mean of `difference`
    where single seeds spread by `sd`, as in Cohen (1988, ch. 2): the square of a noncentral t is a noncentral F.
    ValueError for fewer than 2 seeds or sd <= 0."""
    from scipy.special import ncfdtr, stdtrit

    if seeds < 2 or not sd > 0:
        raise ValueError(f"power_of needs 2 seeds or more and sd > 0, got {seeds}, {sd}")
    bound, centre = float(stdtrit(seeds - 1, 1 - alpha / 2)), abs(difference) / sd * math.sqrt(seeds)
    missed = float(ncfdtr(1, seeds - 1, centre**2, bound**2))
    # scipy's is not a number at some places far out, where hardly anything is missed
    return 1.0 if math.isnan(missed) and centre > bound else 1.0 - missed


def seeds_needed(difference: float, sd: float, alpha: float = 0.05) -> int | None:
    """The fewest seeds with which a true mean of `difference` is found with POWER; None for more than MAX_SEEDS, and
    where there is no difference to be found. ValueError for sd <= 0."""
    if not sd > 0:
        raise ValueError(f"seeds_needed needs sd > 0, got {sd}")
    low, high = 1, MAX_SEEDS  # the first has too few, the last is the answer at most
    if power_of(difference, sd, high, alpha) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(difference, sd, middle, alpha) >= POWER else (middle, high)
    return high


def detectable(sd: float, seeds: int, alpha: float = 0.05) -> float:
    """The smallest true mean that `seeds` seeds, of spread `sd`, find with POWER. ValueError as in `power_of`."""
    from scipy.optimize import brentq

    top = 1.0
    while power_of(top * sd, sd, seeds, alpha) < POWER:
        top *= 2
    found: Any = brentq(lambda effect: power_of(effect * sd, sd, seeds, alpha) - POWER, 0.0, top, xtol=1e-12)
    return float(found) * sd
