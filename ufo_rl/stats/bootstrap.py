"""95 % intervals of a mean over questions, each with several samples, by a bootstrap that draws whole questions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ufo_rl.stats.intervals import Z95, Difference, wilson

# With fewer questions, resamples reach hardly beyond the values seen: simulated at 5, the interval covers down to 88 %.
MIN_QUESTIONS = 10
# Counts drawn at a time: 8 MB of them.
BLOCK = 1_000_000
# Means of resamples that differ by less are rounding errors of the same mean.
TIE = 1e-12


def clustered_bootstrap(values_N: ArrayLike, seed: int, resamples: int = 10_000) -> tuple[float, float]:
    """Interval of the mean of per-question values in 0..1 (shares correct, pass@k, maj@k), questions resampled.

    Samples of one question depend on each other, so the question is what is drawn. The variant is BCa (Efron 1987, JASA
    82:171) at expanded levels (Hesterberg 2015, Am. Stat. 69:371), which make up for the narrowness of a bootstrap of few
    questions: Phi(-t sqrt(n / (n - 1))) with Student's t of n - 1 degrees of freedom takes the place of 2.5 %.

    Where a bootstrap would lie, the interval is Wilson's, of the mean over n questions: values of 0 and 1 alone (all wrong
    and all right among them, which every resample repeats, with no width), all values equal, fewer than MIN_QUESTIONS
    questions. Values in 0..1 never vary more than 0 and 1 of the same mean, so this is rather too wide than too short; and
    one sample a question has the interval of greedy pass@1.

    Simulated at 30, 100 and 500 questions with 4 to 16 samples and pass rates from U-shaped to hard (mean 0.1) it covered
    94 to 97 %. It is too short where only one or two of the questions are ever solved (mean 0.02 of 30 questions, 16
    samples: 89 %). Deterministic in the seed, whatever the order of the questions. ValueError for an empty array and for
    values outside 0..1.
    """
    distinct, counts = np.unique(_checked(values_N, "clustered_bootstrap"), return_counts=True)
    return bootstrap_of_counts(distinct, counts, seed, resamples)


def bootstrap_of_counts(
    distinct: ArrayLike, counts: ArrayLike, seed: int, resamples: int = 10_000
) -> tuple[float, float]:
    """`clustered_bootstrap` of questions that are counted by their value, however many they are: `distinct` values in
    rising order, `counts` how many questions have each. ValueError as there."""
    distinct, counts = _checked(distinct, "bootstrap_of_counts"), np.asarray(counts)
    if counts.shape != distinct.shape or (counts < 1).any() or (np.diff(distinct) <= 0).any():
        raise ValueError(
            f"bootstrap_of_counts needs rising values, each of 1 question or more, got {distinct}, {counts}"
        )
    n = int(counts.sum())
    if n < MIN_QUESTIONS or distinct.size == 1 or np.isin(distinct, (0, 1)).all():
        return wilson(min(math.fsum(counts * distinct), n), n)
    from scipy.special import ndtr, ndtri

    mean = float(counts @ distinct / n)
    means = _resampled_means(distinct, counts, seed, resamples)
    # bias: how far the mean is from the median of the resamples; ties, which shares have many of, count half
    below = (np.count_nonzero(means < mean - TIE) + np.count_nonzero(means <= mean + TIE)) / (2 * resamples)
    bias = ndtri(np.clip(below, 1 / resamples, 1 - 1 / resamples))
    off = distinct - mean
    # acceleration: the jackknife of a mean gives its skewness over 6 sqrt(n)
    acceleration = (counts @ off**3) / (6 * (counts @ off**2) ** 1.5)
    shifted = bias + _expanded(n)
    low, high = np.quantile(means, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def paired_bootstrap(values_a: ArrayLike, values_b: ArrayLike, seed: int, resamples: int = 10_000) -> Difference:
    """Mean of b minus mean of a over the same questions in the same order, per-question values in 0..1.

    The differences b - a are resampled by question as in `clustered_bootstrap`, and the interval is the percentile one
    at expanded levels: differences are about as often up as down, and there the corrections of BCa add only noise
    (simulated at 30 questions: 92 to 95 % against 94 to 96 %). Where a bootstrap would lie (0/1 values alone, all
    differences equal, fewer than MIN_QUESTIONS questions) it is the interval of Bonett and Price with its one question
    gained and one lost, carried over to shares; for 0/1 values that is `paired_difference`. ValueError for empty or
    unequal arrays and for values outside 0..1.
    """
    a, b = _checked(values_a, "paired_bootstrap"), _checked(values_b, "paired_bootstrap")
    if a.shape != b.shape:
        raise ValueError(f"paired_bootstrap needs equally long arrays, got {a.size} and {b.size} questions")
    change_N = b - a
    n, mean = change_N.size, math.fsum(change_N) / change_N.size
    if n < MIN_QUESTIONS or np.ptp(change_N) < TIE or np.isin(change_N, (-1, 0, 1)).all():
        centre = n * mean / (n + 2)
        variance = (float(change_N @ change_N) + 2) / (n + 2) - centre * centre
        half = Z95 * math.sqrt(variance / (n + 2))
        return Difference(mean, max(-1.0, centre - half), min(1.0, centre + half))
    from scipy.special import ndtr

    means = _resampled_means(*np.unique(change_N, return_counts=True), seed, resamples)
    low, high = np.quantile(means, ndtr(_expanded(n)))
    return Difference(mean, float(low), float(high))


def _checked(values_N: ArrayLike, name: str) -> np.ndarray:
    values_N = np.asarray(values_N, dtype=np.float64)
    if values_N.ndim != 1 or values_N.size == 0 or not ((values_N >= 0) & (values_N <= 1)).all():
        raise ValueError(f"{name} needs one value in 0..1 per question, got shape {values_N.shape}: {values_N}")
    return values_N


def _expanded(n: int) -> np.ndarray:
    """The two normal quantiles between which a bootstrap of n questions covers what Student's t would."""
    from scipy.special import stdtrit

    z = stdtrit(n - 1, 0.975) * math.sqrt(n / (n - 1))
    return np.array([-z, z])


def _resampled_means(distinct: np.ndarray, counts: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Means of `resamples` draws of n questions with replacement.

    Drawn as multinomial counts of the distinct values: k samples have k + 1 shares, however many the questions.
    """
    generator, n = np.random.default_rng(seed), int(counts.sum())
    means = np.empty(resamples)
    step = max(1, BLOCK // distinct.size)
    for start in range(0, resamples, step):
        block = means[start : start + step]
        block[:] = generator.multinomial(n, counts / n, size=block.size) @ distinct / n
    return means
