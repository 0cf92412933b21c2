"""What is said of a selection: by hand, and by the chance of a group counted out."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from ufo_rl.report.insight.bias import bias, kind_of_answer, script_of
from ufo_rl.report.insight.calibration import correlation, deciles
from ufo_rl.report.insight.forecast import forecast, live_chance, realised
from ufo_rl.report.insight.overlap import jaccard
from ufo_rl.report.insight.pool_table import Scored


def pool(n: int = 20, **columns: object) -> Scored:
    """Prompts of rising confidence and pass rate, the middle five kept."""
    values: dict[str, object] = {
        "ids": np.array([f"p{i:02}" for i in range(n)]),
        "questions": [f"What is {i}?" for i in range(n)],
        "answers": [str(i) for i in range(n)],
        "levels": [str(1 + i % 2) for i in range(n)],
        "subjects": [""] * n,
        "tokens": np.full(n, 5.0),
        "kept": np.array([8 <= i < 13 for i in range(n)]),
        "rank": np.arange(1, n + 1),
        "confidence": np.linspace(0.05, 0.95, n),
        "pass_rate": np.minimum(16, np.arange(n)) / 16,
        "samples": np.full(n, 16),
    }
    return Scored(**{**values, **columns})  # type: ignore[arg-type]


def test_the_chance_of_a_live_group_is_that_of_a_draw_without_replacement() -> None:
    """Of 6 samples, c right, all C(6, 3) groups of three are counted."""
    for right in range(7):
        samples = [1] * right + [0] * (6 - right)
        groups = list(itertools.combinations(samples, 3))
        live = sum(0 < sum(group) < 3 for group in groups) / len(groups)
        assert live_chance(np.array([right]), 6, 3)[0] == pytest.approx(live, abs=1e-12)


def test_it_is_unbiased_where_the_plain_formula_is_not() -> None:
    """Mean over all outcomes of 16 samples at p = 0.1: 1 - p^8 - (1-p)^8."""
    p, chance = 0.1, [comb(16, c) * 0.1**c * 0.9 ** (16 - c) for c in range(17)]
    mean = float(np.dot(chance, live_chance(np.arange(17), 16, 8)))
    assert mean == pytest.approx(1 - p**8 - (1 - p) ** 8, abs=1e-12)
    with pytest.raises(ValueError, match="2 completions"):
        live_chance(np.array([1]), 4, 1)


def test_fewer_samples_than_a_group_take_their_share() -> None:
    assert live_chance(np.array([2]), 4, 8)[0] == pytest.approx(1 - 2 * 0.5**8, abs=1e-15)


def test_the_forecast_is_of_the_kept_and_the_realised_of_the_steps() -> None:
    found = forecast(pool(), 8)
    expected = live_chance(np.arange(8, 13), 16, 8).mean()
    assert found is not None and found.value == pytest.approx(expected) and found.n == 5 and found.low is not None
    assert forecast(pool(pass_rate=None), 8) is None
    lines = [
        {"stage": "train", "event": "metrics", "step": i, "frac_reward_zero_std": 0.25 * (i > 2)} for i in range(1, 5)
    ]
    lines.append(
        {"stage": "train", "event": "metrics", "step": 4, "frac_reward_zero_std": 0.75}
    )  # made again: the later counts
    assert realised(lines) is not None and realised(lines).value == pytest.approx(1 - 0.25)  # type: ignore[union-attr]
    assert realised(lines, 2).value == 1.0 and realised([]) is None  # type: ignore[union-attr]


def test_deciles_rise_and_the_correlation_is_perfect() -> None:
    tenths = deciles(pool())
    assert len(tenths) == 10 and [one.n for one in tenths] == [2] * 10
    assert tenths[0].pass_rate == pytest.approx(1 / 32) and tenths[-1].pass_rate == 1.0
    assert all(one.low <= one.pass_rate <= one.high for one in tenths)
    found = correlation(pool(pass_rate=np.linspace(0, 1, 20)))
    assert found is not None and found.rho == pytest.approx(1.0) and deciles(pool(confidence=None)) == []


def test_the_kept_are_set_beside_the_pool() -> None:
    rows = {(row.what, row.value): row for row in bias(pool())}
    level = rows["level", "1"]
    assert (level.pool, level.kept) == (0.5, pytest.approx(0.6)) and level.low < 0.6 < level.high  # 8, 10, 12 of five
    assert not any(what == "subject" for what, _ in rows)  # nothing to tell apart
    assert bias(pool(kept=np.zeros(20, dtype=bool))) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("12", "integer"), ("-1,234", "integer"), ("$3.50$", "decimal"), ("1/2", "fraction"), (r"\frac{1}{2}", "fraction"),
     ("B", "choice"), ("(C)", "choice"), (r"x^2+1", "formula"), ("Monday", "text"), (r"\sqrt{2}", "formula")],
)  # fmt: skip
def test_kinds_of_answers(answer: str, kind: str) -> None:
    assert kind_of_answer(answer) == kind


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("What is 2?", "latin"),
        ("求 x 的值", "cjk"),
        ("Сколько будет", "cyrillic"),
        ("12 + 3", "none"),
        ("いくつですか", "hiragana"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert script_of(text) == script


def test_overlap_by_hand() -> None:
    names, table = jaccard({"a": {"1", "2"}, "b": {"2", "3"}, "c": set()})
    assert (
        list(names) == ["a", "b", "c"] and table[0, 1] == pytest.approx(1 / 3) and table[0, 2] == 0 and table[2, 2] == 1
    )
