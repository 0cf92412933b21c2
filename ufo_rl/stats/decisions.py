"""From intervals to decisions: the test of two paired verdicts, several comparisons at once, and "not worse by more than"."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ufo_rl.stats.intervals import Z95, Difference


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p of McNemar (1947, Psychometrika 12:153): of gained + lost questions whose verdict changed each
    side is as likely as a coin's. 1 where none changed. ValueError for negative counts."""
    from scipy.stats import binomtest

    if gained < 0 or lost < 0:
        raise ValueError(f"mcnemar needs counts of 0 or more, got {gained}, {lost}")
    return 1.0 if gained + lost == 0 else float(binomtest(gained, gained + lost).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """p values that hold for all comparisons together (Holm 1979, Scand. J. Stat. 6:65), in the same order: those below
    0.05 are decided with a chance of at most 5 % of any false one, however the comparisons depend on each other."""
    order, found, largest = sorted(range(len(ps)), key=ps.__getitem__), [math.nan] * len(ps), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        found[index] = largest
    return found


def p_of(difference: Difference) -> float:
    """The level at which a normal interval like this one would touch 0: p below 0.05 where the interval excludes 0."""
    from scipy.special import ndtr

    centre, half = (difference.low + difference.high) / 2, (difference.high - difference.low) / 2
    if half == 0:
        return 1.0 if centre == 0 else 0.0
    return float(2 * ndtr(-abs(centre) / half * Z95))


def p_not_worse(mean: float, error: float, freedom: float | None, margin: float) -> float:
    """One-sided p of non-inferiority (CONSORT extension, Piaggio et al. 2012, JAMA 308:2594): that a true difference of -margin
    shows a mean like this one, with its standard error, by Student's t (freedom None: normal). Below 0.025 where the lower end
    of the 95 % interval lies above -margin. ValueError unless margin > 0."""
    from scipy.special import ndtr, stdtr

    if not margin > 0:
        raise ValueError(f"a margin must be > 0, got {margin}")
    if error == 0:
        return 0.0 if mean > -margin else 1.0
    at = (mean + margin) / error
    return float(ndtr(-at) if freedom is None else stdtr(freedom, -at))
