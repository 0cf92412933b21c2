"""Which prompts each set of completions is of: TRL's order where nothing stops a training, and the same after a resume."""

from __future__ import annotations

import numpy as np
import pytest
from trl.trainer.utils import RepeatSampler

from ufo_rl.records import Prompt
from ufo_rl.training.feed import Feed
from ufo_rl.training.order import ease_column, in_order

ROWS = [{"id": str(i), "prompt": f"{i}?"} for i in range(7)]


def ids(feed: Feed, num_sets: int) -> list[str]:
    return [row["id"] for _ in range(num_sets) for row in feed.take()]


@pytest.mark.parametrize("seed", [0, 5])
def test_three_epochs_are_those_of_trls_sampler(seed: int) -> None:
    sampler = RepeatSampler(ROWS, mini_repeat_count=1, batch_size=3, seed=seed)
    theirs = [str(i) for _ in range(3) for i in sampler]
    assert ids(Feed(ROWS, 3, seed), 6) == theirs  # 7 prompts fill two sets of 3
    assert len({tuple(theirs[start : start + 6]) for start in (0, 6, 12)}) == 3


@pytest.mark.parametrize("taken", range(7))
def test_a_feed_goes_on_where_another_stood(taken: int) -> None:
    whole = ids(Feed(ROWS, 3, 1), 8)
    before, after = Feed(ROWS, 3, 1), Feed(ROWS, 3, 1)
    begun = ids(before, taken)
    after.load(before.state())
    assert begun + ids(after, 8 - taken) == whole


def test_without_shuffling_each_epoch_is_in_the_order_of_the_rows() -> None:
    assert ids(Feed(ROWS, 3, 0, is_shuffled=False), 4) == list("012345012345")


def prompts(*names: str) -> list[Prompt]:
    return [Prompt(name, f"{name}?", "1") for name in names]


COLUMNS = {
    "id": np.array(["a", "b", "c", "d"]),
    "confidence": np.array([0.9, 0.2, 0.5, 0.5]),
    "tokens": np.array([1, 2, 3, 4]),
}
RANK = np.array([4, 3, 2, 1])


@pytest.mark.parametrize(
    ("order", "expected"),
    [("shuffled", "abcd"), ("as_ranked", "dcba"), ("easy_first", "adcb"), ("hard_first", "bdca")],
)
def test_orders(order: str, expected: str) -> None:
    """c and d are equally easy: the selector has d before c."""
    assert "".join(one.id for one in in_order(prompts(*"abcd"), order, COLUMNS, RANK, "confidence")) == expected


def test_an_order_of_the_kept_by_the_better_measure() -> None:
    columns = {**COLUMNS, "pass_rate": np.array([0.1, 0.7, 0.3, 0.0])}
    assert ease_column({"tokens", "confidence", "pass_rate"}) == "pass_rate" and ease_column({"tokens"}) is None
    assert [one.id for one in in_order(prompts("a", "b", "d"), "easy_first", columns, RANK, "pass_rate")] == [
        "b",
        "a",
        "d",
    ]
