"""Rows that could change sides: counted by hand, and as a law over perturbed confidences for every shipped selector."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from ufo_rl.selector import Bounded, Selector
from ufo_rl.selector.band import Band
from ufo_rl.selector.cut import select
from ufo_rl.selector.extreme import Extreme
from ufo_rl.selector.ufo import Ufo

SELECTORS: dict[str, Selector] = {
    "mean": Ufo("mean", "confidence"),
    "median": Ufo("median", "confidence"),
    "value": Ufo(0.004, "confidence"),
    "log mean": Ufo("mean", "log"),
    "log median": Ufo("median", "log"),
    "log value": Ufo(0.004, "log"),
    "high": Extreme(True),
    "low": Extreme(False),
    "band": Band(0.2, 0.6),
    "edge": Band(0.2, 0.3),
}
# a confidence of sums is too small for rules that work with the number itself
CASES = [(name, False) for name in SELECTORS] + [
    (name, True) for name in SELECTORS if name not in ("mean", "median", "value")
]
NUM_ROWS = 120


class Unbounded:
    """A selector as users write them: the same keys, and no word about how far they move."""

    signals: ClassVar[tuple[str, ...]] = ("confidence",)
    keeps_all: ClassVar[bool] = False

    def __init__(self, selector: Selector) -> None:
        self.sort_key = selector.sort_key


def columns_of(logs: np.ndarray, is_sum: bool = False) -> dict[str, np.ndarray]:
    ids = np.array([f"{i:04}" for i in range(len(logs))])
    columns = {"id": ids, "confidence": np.exp(logs), "log_confidence": logs}
    return columns | ({"sum_logprob": logs} if is_sum else {})


def near(confidence: list[float], selector: Selector, kept: int) -> int:
    columns = columns_of(np.log(confidence))
    return select(columns, selector, kept / len(confidence) + 1e-9, seed=0).near_cut


def test_high_and_low_by_hand() -> None:
    # two rows can pass each other when their confidences are within 2e-5
    confidence = [0.9, 0.001, 0.001018, 0.001018, 0.00105, 0.5]
    assert near(confidence, Extreme(False), 1) == 3  # .001 can pass both .001018; .00105 passes none of them
    assert near(confidence, Extreme(False), 2) == 3  # the tie of .001018 is cut, and .001 can be behind both
    assert near(confidence, Extreme(False), 3) == 0  # .001018 and .00105 are 3.2e-5 apart
    assert near(confidence, Extreme(True), 3) == 0
    assert near(confidence, Extreme(True), 5) == 3
    assert near(confidence, Unbounded(Extreme(False)), 1) == 0  # ln .001018 - ln .001 = .018


def test_sums_are_near_by_their_logarithms() -> None:
    logs = np.array([-900.0, -900.017, -900.04, -5.0])  # tolerance .009: two rows can pass each other within .018
    assert select(columns_of(logs, is_sum=True), Extreme(True), 0.5, seed=0).near_cut == 2
    assert select(columns_of(logs, is_sum=True), Extreme(True), 0.75, seed=0).near_cut == 0
    assert select(columns_of(logs, is_sum=True), Ufo(1e-300, "log"), 0.25, seed=0).near_cut == 2  # 209.2 from -690.8


def test_ufo_by_hand() -> None:
    # a given centre does not move: 2e-5 as above. The mean moves too: each distance by 2e-5, two of them 4e-5
    confidence = [0.1, 0.5, 0.7, 0.700015, 0.70005, 0.3]
    assert near(confidence, Ufo(0.5, "confidence"), 3) == 3  # distances 0 .2 .2, then .200015 and .20005
    assert near(confidence, Ufo(0.75, "confidence"), 2) == 2  # .04995 .049985, then .05
    assert near(confidence, Ufo(0.75, "confidence"), 1) == 0  # .04995 and .049985 are 3.5e-5 apart
    assert near([0.3, 0.4, 0.6, 0.69997], Ufo("mean", "confidence"), 3) == 2  # mean .4999925: .1999775 and .1999925
    assert near([0.3, 0.4, 0.6, 0.69995], Ufo("mean", "confidence"), 3) == 2  # mean .4999875: .1999625 and .1999875
    assert near([0.3, 0.4, 0.6, 0.69990], Ufo("mean", "confidence"), 3) == 0  # mean .499975: .199925 and .199975


def test_band_by_hand() -> None:
    # quantiles 1/16, 3/16 ... 15/16: the band holds ranks 3 to 6
    confidence, band = [0.1, 0.3, 0.300015, 0.4, 0.5, 0.6, 0.600015, 0.60003], Band(0.25, 0.75)
    assert near(confidence, band, 2) == 4  # drawn from the band, which .3 and .600015 can enter for .300015 and .6
    assert near(confidence, band, 4) == 5  # and .60003 can be as near to it as .3, where that is the fourth
    assert near([i / 10 for i in range(1, 9)], band, 4) == 0
    assert near(confidence, Unbounded(band), 4) == 0  # quantiles are 1/8 apart


def pool(is_sum: bool, seed: int) -> np.ndarray:
    """ln s in clusters that lie closer than the tolerance, high and low and with ties; of sums too small for floats."""
    rng = np.random.default_rng(seed)
    offsets = 1e-5 * rng.integers(-3, 4, NUM_ROWS)
    if is_sum:
        return rng.choice(rng.uniform(-1000, -1, 12), NUM_ROWS) * (1 + offsets)
    return np.log(np.clip(rng.choice(np.exp(rng.uniform(-7, -0.05, 12)), NUM_ROWS) + offsets, 2e-5, 1.0))


def moved(logs: np.ndarray, is_log: bool, rng: np.random.Generator) -> np.ndarray:
    """All rows moved within the tolerance: to its ends in every other draw, anywhere inside it in the rest."""
    step = rng.uniform(-1, 1, len(logs))
    step = np.sign(step) if rng.random() < 0.5 else step
    if is_log:
        return logs + 0.999999 * step * 1e-5 * np.maximum(1, np.abs(logs))
    return np.log(np.exp(logs) + 0.999999 * step * 1e-5)


@pytest.mark.parametrize(("name", "is_sum"), CASES)
def test_no_more_rows_are_replaced_than_were_counted(name: str, is_sum: bool) -> None:
    selector, counts, num_too_few = SELECTORS[name], [], 0
    assert isinstance(selector, Bounded)
    for seed, ratio in product(range(8), (0.1, 0.35)):
        logs, rng = pool(is_sum, seed), np.random.default_rng(seed)
        before = select(columns_of(logs, is_sum), selector, ratio, seed=0)
        old = select(columns_of(logs, is_sum), Unbounded(selector), ratio, seed=0)
        counts.append(before.near_cut)
        for _ in range(40):
            columns = columns_of(moved(logs, is_sum or "log" in name, rng), is_sum)
            replaced = len(set(before.ids) - set(select(columns, selector, ratio, seed=0).ids))
            assert replaced <= before.near_cut
            num_too_few += replaced > old.near_cut
    assert 0 < max(counts) < NUM_ROWS / 2  # to count all rows would be no count
    assert num_too_few > 0  # keys within 1e-5 of the cut are too few
