"""Counts of graded completions: the interval is over rows, and memory does not grow with the file."""

from __future__ import annotations

import numpy as np
import pytest

from ufo_rl.commands.grade.tally import Tally
from ufo_rl.records import Graded
from ufo_rl.stats.bootstrap import clustered_bootstrap
from ufo_rl.stats.intervals import wilson

RIGHT, WRONG = Graded(True, "1", "exact"), Graded(False, "2", "number")


def tally(counts: list[tuple[int, int]]) -> Tally:
    """Of rows (how many right, of how many)."""
    made = Tally()
    for good, size in counts:
        made.add([RIGHT] * good + [WRONG] * (size - good))
    return made


def test_rows_of_one_completion_have_wilsons_interval() -> None:
    made = tally([(1, 1)] * 81 + [(0, 1)] * 182)
    assert made.mean() == pytest.approx(81 / 263) and made.interval() == pytest.approx(wilson(81, 263), abs=1e-12)
    text = made.text("rows.jsonl")
    assert "accuracy" in text and "avg@" not in text


def test_rows_of_several_completions_are_resampled_whole() -> None:
    # each of 40 rows has all of its 8 right or none: as good as 40 single answers, not as 320
    made = tally([(8, 8)] * 20 + [(0, 8)] * 20)
    assert made.interval() == pytest.approx(wilson(20, 40), abs=1e-12)
    counts = np.random.default_rng(0).binomial(8, np.linspace(0.1, 0.9, 60)).tolist()
    made = tally([(good, 8) for good in counts])
    assert made.interval() == pytest.approx(clustered_bootstrap(np.array(counts) / 8, 0), abs=1e-12)
    low, high = wilson(sum(counts), 8 * 60)  # as if all were independent
    assert made.interval()[1] - made.interval()[0] > high - low
    assert f"[{100 * made.interval()[0]:.1f}, {100 * made.interval()[1]:.1f}]" in made.text("rows.jsonl")


def test_equal_shares_of_other_sizes_are_one_value() -> None:
    mixed = tally([(1, 2), (2, 4), (4, 8)] * 10 + [(0, 2)] * 5)
    assert mixed.mean() == pytest.approx(15 / 35)
    assert mixed.interval() == pytest.approx(clustered_bootstrap([0.5] * 30 + [0.0] * 5, 0), abs=1e-12)
    assert "avg@2..8: the mean over 35 rows" in mixed.text("rows.jsonl")


def test_what_is_kept_grows_with_the_kinds_of_rows_alone() -> None:
    made = tally([(i % 5, 4) for i in range(10_000)])
    assert len(made.samples) == 5 and len(made.methods) == 2 and made.samples.total() == 10_000
