"""A selection that follows the model: what is handed out between refreshes, and the posterior that chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ufo_rl.config.schema import Refresh
from ufo_rl.training.groups import Group
from ufo_rl.training.moving_feed import Chosen, MovingFeed
from ufo_rl.training.posterior import Posterior, live

ROWS = [{"id": f"{i:02}", "prompt": f"{i}?"} for i in range(40)]
IDS = [row["id"] for row in ROWS]


class Turning:
    """Keeps ten others each time."""

    def choose(self, number: int) -> Chosen:
        return Chosen(IDS[10 * (number % 4) :][:10], {"confidence": number / 10})

    def learn(self, groups: Sequence[Group]) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None: ...


def feed(explore: float = 0.0, every: int | None = 3, told: list[Any] | None = None) -> tuple[MovingFeed, list[int]]:
    """A feed of sets of 4 that begins with the first ten, one set a step, and its step."""
    step, lines = [0], told if told is not None else []
    settings = Refresh("rescore", every, explore)
    made = MovingFeed(ROWS, IDS[:10], 4, 0, settings, Turning(), lambda: step[0], lambda _, **line: lines.append(line))
    return made, step


def sets(made: MovingFeed, step: list[int], count: int) -> list[list[str]]:
    found = []
    for _ in range(count):
        found.append([row["id"] for row in made.take()])
        step[0] += 1
    return found


def test_kept_prompts_come_once_before_any_comes_again_and_change_with_a_refresh() -> None:
    told: list[Any] = []
    made, step = feed(told=told)
    found = sets(made, step, 9)
    for start in (0, 3, 6):  # ten prompts fill two sets of 4
        kept = set(IDS[10 * (start // 3) :][:10])
        assert all(set(one) <= kept for one in found[start : start + 3])
        assert len({*found[start], *found[start + 1]}) == 8
    assert [(line["step"], line["refresh/overlap"], line["refresh/confidence"]) for line in told] == [
        (4, 0, 0.1),
        (7, 0, 0.2),
    ]
    assert told[0]["entered"] == IDS[10:20] and told[0]["left"] == IDS[:10]


@pytest.mark.parametrize("explore", [0.0, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("per_set", [1, 2, 4, 8])
def test_the_share_of_exploration_is_met_by_prompts_that_are_not_kept(explore: float, per_set: int) -> None:
    made, step = feed(explore, every=1000)
    made.per_set = per_set
    found = [one for ids in sets(made, step, 400 // per_set) for one in ids]
    outside = [one for one in found if one not in IDS[:10]]
    assert len(found) == 400 and len(outside) == round(400 * explore)
    assert not outside or len(set(outside)) > 20


@pytest.mark.parametrize("stopped", range(1, 12))
def test_a_feed_goes_on_where_another_stood(stopped: int) -> None:
    whole, step = feed(0.25)
    expected = sets(whole, step, 14)
    before, step = feed(0.25)
    begun = sets(before, step, stopped)
    after, again = feed(0.25)
    again[0] = step[0]
    after.load(before.state())
    assert begun + sets(after, again, 14 - stopped) == expected


def test_refreshes_come_at_multiples_whatever_a_set_takes() -> None:
    """Three steps a set: before the sets that begin with steps 0, 3, 6, ..., at the first after 10, 20, 30."""
    made, step = feed(every=10)
    began = []
    for step[0] in range(0, 40, 3):
        before = made.num_refreshes
        made.take()
        began += [step[0]] if made.num_refreshes > before else []
    assert began == [12, 21, 30]


def group(id: str, right: int, size: int = 8) -> Group:
    return Group(id, [1.0] * right + [0.0] * (size - right), "", right)


def test_the_posterior_is_the_prior_the_memory_and_what_was_seen() -> None:
    made = Posterior({"a": 0.25, "b": 0.5}, 1, 8, Refresh("posterior", 1, 0.0, memory=0.5, prior=8.0), 0)
    assert made.now_N2.tolist() == [[2.0, 6.0], [4.0, 4.0]]
    made.learn([group("a", 8)])  # 0.5 x 2 + 0.5 x 2 + 8, 0.5 x 6 + 0.5 x 6 + 0
    assert made.now_N2.tolist() == [[10.0, 6.0], [4.0, 4.0]]
    made.learn([group("a", 2)])  # 0.5 x 10 + 0.5 x 2 + 2, 0.5 x 6 + 0.5 x 6 + 6
    assert made.now_N2.tolist() == [[8.0, 12.0], [4.0, 4.0]]
    other = Posterior({"a": 0.25, "b": 0.5}, 1, 8, Refresh("posterior", 1, 0.0, memory=0.5, prior=8.0), 0)
    other.load(made.state())
    assert other.now_N2.tolist() == made.now_N2.tolist()


def test_the_draw_is_nearest_to_a_half_and_moves_with_what_is_known() -> None:
    settings = Refresh("posterior", 1, 0.0, memory=1.0, prior=8.0)
    made = Posterior({**dict.fromkeys(IDS[:20], 0.5), **dict.fromkeys(IDS[20:], 0.99)}, 10, 8, settings, 0)
    assert sum(one in IDS[:20] for one in made.choose(1).ids) == 10
    counts = Counter(one for number in range(50) for one in made.choose(number).ids)
    assert len([one for one in IDS[:20] if counts[one]]) == 20  # a draw, no fixed order
    made.learn([group(one, 8) for one in IDS[:20]] * 4)
    made.learn([group(one, 4) for one in IDS[20:30]] * 4)
    assert set(made.choose(2).ids) <= set(IDS[20:30])
    assert made.choose(2).facts["pass_rate"] == pytest.approx((4 * 4 + 8 * 0.99) / (4 * 8 + 8))


def test_the_chance_of_a_live_group_is_that_of_beta_binomial_counts() -> None:
    from scipy.stats import betabinom

    alpha, beta = np.array([0.5, 2.0, 30.0]), np.array([0.5, 5.0, 1.0])
    expected = 1 - betabinom.pmf(0, 8, alpha, beta) - betabinom.pmf(8, 8, alpha, beta)
    assert live(alpha, beta, 8) == pytest.approx(expected)
