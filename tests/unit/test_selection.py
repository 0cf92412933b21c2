"""Selection: hand-worked numbers, the exact floor, and laws for every selector in conf/."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from ufo_rl.errors import UserError
from ufo_rl.selector import Selector
from ufo_rl.selector.accuracy import Accuracy
from ufo_rl.selector.band import Band
from ufo_rl.selector.cut import num_kept, select
from ufo_rl.selector.extreme import Extreme
from ufo_rl.selector.full import Full
from ufo_rl.selector.ufo import Ufo, fuzziness
from ufo_rl.selector.uniform import Uniform

SELECTORS = {
    "ufo": Ufo("mean", "confidence"),
    "log": Ufo("median", "log"),
    "high": Extreme(True),
    "low": Extreme(False),
    "band": Band(0.2, 0.4),
    "random": Uniform(),
    "accuracy": Accuracy(0.5),
    "full": Full(),
}


def pool(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    ids = np.array([hashlib.sha256(str(i).encode()).hexdigest()[:16] for i in range(n)])
    confidence = rng.random(n)
    signals = {"confidence": confidence, "log_confidence": np.log(confidence)}
    return {"id": ids, **signals, "pass_rate": rng.integers(0, 17, n) / 16}


def test_fuzziness_by_hand() -> None:
    assert fuzziness(np.array([0.2, 0.5, 0.8])) == pytest.approx([0.91, 1.0, 0.91])  # mean 0.5, 0.3 squared is 0.09


def test_ufo_keeps_the_nearest_to_the_mean() -> None:
    columns = {"id": np.array(list("abcde")), "confidence": np.array([0.0, 0.3, 0.45, 0.9, 1.0])}  # mean 0.53
    selection = select(columns, Ufo("mean", "confidence"), 0.4, seed=0)
    assert selection.ids == ["b", "c"]  # distances .53 .23 .08 .37 .47
    assert selection.rank.tolist() == [5, 2, 1, 3, 4]


def test_accuracy_keeps_the_nearest_to_the_centre() -> None:
    columns = {"id": np.array(list("abcd")), "pass_rate": np.array([0.0, 0.4375, 0.5625, 1.0])}
    assert select(columns, Accuracy(0.5), 0.5, seed=0).ids == ["b", "c"]
    assert select(columns, Accuracy(1.0), 0.25, seed=0).ids == ["d"]


@pytest.mark.parametrize(
    ("ratio", "n", "kept"),
    [
        (0.1, 17255, 1725),
        (0.1, 7473, 747),
        (0.29, 100, 29),
        (0.07, 100, 7),
        (0.01, 50, 1),
        (1.0, 3, 3),
        (0.3, 10, 3),
        (1e-05, 200000, 2),
    ],
)
def test_the_budget_is_the_exact_floor(ratio: float, n: int, kept: int) -> None:
    assert num_kept(ratio, n) == kept  # int(0.29 * 100) would be 28


@pytest.mark.parametrize("name", SELECTORS)
def test_five_percent_is_inside_ten(name: str) -> None:
    columns = pool(400)
    sets = [set(select(columns, SELECTORS[name], ratio, seed=1).ids) for ratio in (0.01, 0.05, 0.1, 0.5, 1.0)]
    assert all(small <= large for small, large in pairwise(sets))


@pytest.mark.parametrize("name", SELECTORS)
def test_row_order_changes_nothing(name: str) -> None:
    columns = pool(300)
    order = list(range(300))
    random.Random(5).shuffle(order)
    shuffled = {k: v[order] for k, v in columns.items()}
    a, b = (select(c, SELECTORS[name], 0.1, seed=2) for c in (columns, shuffled))
    assert a.ids == b.ids and a.rank[order].tolist() == b.rank.tolist()


def test_full_keeps_everything_whatever_the_ratio() -> None:
    assert len(select(pool(50), Full(), 0.1, seed=0).ids) == 50


def test_random_is_a_draw_of_the_seed() -> None:
    draws = [select(pool(1000), Uniform(), 0.1, seed=s).ids for s in range(3)]
    assert draws[0] != draws[1] != draws[2]
    overlap = len(set(draws[0]) & set(draws[1]))
    assert 1 <= overlap <= 25  # 10 expected of 100 when independent; 25 is over five standard deviations


def test_ties_are_decided_by_the_seeded_hash_and_reported() -> None:
    columns = {"id": np.array(list("abcdefgh")), "pass_rate": np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 1.0])}
    selection = select(columns, Accuracy(0.5), 0.5, seed=3)
    draw = sorted("abcdef", key=lambda i: hashlib.sha256(f"3:{i}".encode()).hexdigest())
    assert selection.ids == sorted(draw[:4])
    assert selection.tie_share == 1.0
    assert select(columns, Accuracy(0.5), 0.75, seed=3).tie_share == 0.0  # six equal rows, six places: no draw needed


def test_a_key_that_is_no_number_is_refused() -> None:
    """One NaN would turn every distance to the mean into NaN, and ufo into a random draw."""
    columns = pool(100)
    columns["confidence"][7] = np.nan
    with pytest.raises(UserError, match="no finite number for 100 of 100 prompts, first 0"):
        select(columns, Ufo("mean", "confidence"), 0.1, seed=0)


def test_ties_by_hand() -> None:
    columns = {"id": np.array(list("abcd")), "pass_rate": np.array([0.5, 0.25, 0.75, 0.0])}
    selection = select(columns, Accuracy(0.5), 0.5, seed=0)
    assert (selection.tie_share, selection.near_cut) == (0.5, 0)  # one of .25 and .75 beside .5; rates do not move
    drawn = select(columns, Uniform(), 0.5, seed=0)
    assert (drawn.tie_share, drawn.near_cut) == (0.0, 0)  # no measurement, no cut in it


def test_levels_equally_far_from_the_centre_are_ties() -> None:
    """0.3 and 0.7 are not equally far from 0.5 in floating point."""
    rates = np.array([0.3, 0.7] * 50)
    columns = {"id": np.array([f"{i:03}" for i in range(100)]), "pass_rate": rates}
    kept = [int(i) % 2 for i in select(columns, Accuracy(0.5), 0.5, seed=0).ids]
    assert 10 < sum(kept) < 40  # a draw of 50 from 100; all of one level before


def test_confidences_too_small_for_a_float_keep_their_order() -> None:
    """Sums over long targets: exp is 0 for all but one of them."""
    logs = np.array([-900.0, -800.0, -1000.0, -10.0])
    columns = {"id": np.array(list("abcd")), "confidence": np.exp(logs), "log_confidence": logs}
    assert select(columns, Ufo(1e-300, "log"), 0.25, seed=0).ids == ["b"]  # ln 1e-300 is -690.8
    assert select(columns, Extreme(False), 0.25, seed=0).ids == ["c"]
    assert select(columns, Band(0.3, 0.5), 0.25, seed=0).ids == ["a"]


def test_every_centre_and_space_by_hand() -> None:
    confidence = np.array([0.01, 0.1, 0.2, 0.9, 1.0])  # mean 0.442, median 0.2; logs -4.61 -2.30 -1.61 -0.11 0
    columns = {"id": np.array(list("abcde")), "confidence": confidence, "log_confidence": np.log(confidence)}

    def first(center: str | float, space: str) -> str:
        return select(columns, Ufo(center, space), 0.2, seed=0).ids[0]

    assert first("mean", "confidence") == "c"  # .432 .342 .242 .458 .558
    assert first("median", "confidence") == "c"
    assert first(0.8, "confidence") == "d"
    assert first("mean", "log") == "c"  # mean of the logs -1.726: 2.88 .58 .12 1.62 1.73
    assert first(0.05, "log") == "b"  # ln 20, that is 1.61 above a, 0.69 below b; in s both are .04 and .05 away
    assert first(0.05, "confidence") == "a"


def test_extremes_and_bands_by_hand() -> None:
    columns = {"id": np.array(list("abcde")), "log_confidence": np.log([0.5, 0.1, 0.9, 0.3, 0.7])}
    assert select(columns, Extreme(True), 0.4, seed=0).ids == ["c", "e"]
    assert select(columns, Extreme(False), 0.4, seed=0).ids == ["b", "d"]
    assert select(columns, Band(0.2, 0.6), 0.4, seed=0).ids == ["a", "d"]  # quantiles .5 .1 .9 .3 .7
    assert select(columns, Band(0.0, 0.2), 0.4, seed=0).ids == ["b", "d"]  # only b is inside, d is nearest


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ufo("mode", "confidence"), "center=mode"),
        (lambda: Ufo(1.5, "confidence"), "center=1.5"),
        (lambda: Ufo(["mean"], "confidence"), "center="),  # pyright: ignore[reportArgumentType]
        (lambda: Ufo("mean", "square"), "space=square"),
        (lambda: Band(0.5, 0.4), "low=0.5"),
    ],
)
def test_wrong_formulas_are_told(make: Callable[[], Selector], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


class OneNumber:
    signals, keeps_all = (), False

    def sort_key(self, columns: dict[str, np.ndarray]) -> list[int]:
        return [0]


def test_a_key_of_another_length_is_refused() -> None:
    """numpy would stretch a single number over the pool: a random draw under the selector's name."""
    with pytest.raises(UserError, match=r"returned numbers of shape \(1,\) for 3 prompts"):
        select({"id": np.array(["a", "b", "c"])}, OneNumber(), 0.5, 0)
