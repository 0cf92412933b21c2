"""Means over seeds, against a textbook table of Student's t and hand-worked numbers."""

from __future__ import annotations

import math

import pytest

from ufo_rl.stats.seeds import mean_over_seeds


def test_five_seeds_by_hand() -> None:
    # mean 14.72; deviations .78 -4.52 -.42 3.08 1.08: squares sum to 31.868, s = sqrt(7.967) = 2.82259; t(0.975, 4) = 2.776445
    found = mean_over_seeds([15.5, 10.2, 14.3, 17.8, 15.8])
    half = 2.776445 * 2.822587 / math.sqrt(5)
    assert found[:4] == pytest.approx((14.72, 14.72 - half, 14.72 + half, 5), abs=1e-4)


def test_two_seeds_are_hardly_any() -> None:
    assert mean_over_seeds([0.0, 2.0])[:3] == pytest.approx((1.0, 1 - 12.7062, 1 + 12.7062), abs=1e-4)


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    found = mean_over_seeds([0.3])
    assert (found.value, found.n) == (0.3, 1) and math.isnan(found.low) and math.isnan(found.high)
    with pytest.raises(ValueError, match="at least one seed"):
        mean_over_seeds([])
