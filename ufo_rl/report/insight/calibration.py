"""Whether confidence says how often the model is right: rank correlation, and accuracy by tenth of confidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ufo_rl.report.insight.pool_table import Scored
from ufo_rl.stats.bootstrap import clustered_bootstrap
from ufo_rl.stats.intervals import RankCorrelation, spearman

PARTS, SEED = 10, 0


class Decile(NamedTuple):
    """A tenth of the pool by confidence: its mean confidence, its mean pass rate with a 95 % interval over its prompts
    (bootstrap), and how many prompts it has."""

    confidence: float
    pass_rate: float
    low: float
    high: float
    n: int


def correlation(pool: Scored) -> RankCorrelation | None:
    """None where either is not stored."""
    if pool.confidence is None or pool.pass_rate is None:
        return None
    return spearman(pool.confidence, pool.pass_rate)


def deciles(pool: Scored) -> list[Decile]:
    """From the lowest confidence to the highest; [] where either is not stored. Of fewer than 10 prompts one each."""
    if pool.confidence is None or pool.pass_rate is None:
        return []
    known = np.flatnonzero(np.isfinite(pool.confidence) & np.isfinite(pool.pass_rate))
    order = known[np.lexsort((pool.ids[known], pool.confidence[known]))]
    found = []
    for part in np.array_split(order, min(PARTS, len(order))) if len(order) else []:
        rates = pool.pass_rate[part]
        low, high = clustered_bootstrap(rates, SEED)
        found.append(Decile(float(pool.confidence[part].mean()), float(rates.mean()), low, high, len(part)))
    return found
