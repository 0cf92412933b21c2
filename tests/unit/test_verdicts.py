"""Verdicts over seeds and for many comparisons: worked by hand, against scipy and statsmodels, and by simulation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from ufo_rl.report.comparing.judgement import Comparison, verdicts
from ufo_rl.stats.decisions import holm, mcnemar, p_not_worse, p_of
from ufo_rl.stats.intervals import Difference, paired_difference
from ufo_rl.stats.power import POWER, detectable, power_of, seeds_needed
from ufo_rl.stats.seeds import mean_over_seeds, over_seeds_and_questions, p_over_seeds


def test_the_t_interval_and_its_p_are_scipys() -> None:
    values = [0.167, 0.073, 0.108, 0.105, 0.180]
    found, reference = mean_over_seeds(values), stats.ttest_1samp(values, 0.0)
    interval = reference.confidence_interval(0.95)
    assert found[:4] == pytest.approx((np.mean(values), interval.low, interval.high, 5), abs=1e-9)
    assert p_over_seeds(found) == pytest.approx(reference.pvalue, abs=1e-9)


def test_seeds_that_agree_to_the_question_still_have_width() -> None:
    found = mean_over_seeds([0.02, 0.02, 0.02], 1 / 500)
    half = stats.t.ppf(0.975, 2) / 500 / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (2, 0), (10, 25), (7, 7), (121, 59), (1, 500)])
def test_mcnemar_is_statsmodels(gained: int, lost: int) -> None:
    reference = reference_mcnemar([[900, gained], [lost, 100]], exact=True).pvalue
    assert mcnemar(gained, lost) == pytest.approx(float(reference), abs=1e-9)


def test_mcnemar_worked_by_hand() -> None:
    # of 6 changed answers 6 gained: 2 * 0.5^6
    assert mcnemar(6, 0) == pytest.approx(0.03125, abs=1e-15)
    with pytest.raises(ValueError, match="0 or more"):
        mcnemar(-1, 2)


def test_holm_is_statsmodels() -> None:
    chance = np.random.default_rng(0)
    for size in (1, 2, 7, 30):
        ps = chance.random(size) ** 3
        assert holm(ps.tolist()) == pytest.approx(multipletests(ps, method="holm")[1].tolist(), abs=1e-12)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 40])
def test_power_is_statsmodels(seeds: int) -> None:
    for effect in (0.1, 0.3, 0.5) if seeds == 40 else (0.1, 0.5, 1.0, 2.5):  # beyond, its own numbers are none
        reference = TTestPower().power(effect, seeds, 0.05)
        assert power_of(effect * 3.0, 3.0, seeds) == pytest.approx(float(reference), abs=1e-9)
    smallest = detectable(3.0, seeds, 0.01)
    assert TTestPower().power(smallest / 3.0, seeds, 0.01) == pytest.approx(POWER, abs=1e-9)


def test_the_seeds_that_are_needed_are_the_fewest() -> None:
    for effect in (0.3, 0.9, 2.0):
        needed = seeds_needed(effect, 1.0)
        assert needed is not None and power_of(effect, 1.0, needed) >= POWER > power_of(
            effect, 1.0, max(2, needed - 1)
        ) - (1.0 if needed == 2 else 0.0)
    # scipy's noncentral F has no number at some places here: 500 seeds with this effect, for one
    chances = [power_of(0.00433, 0.00253, seeds, 0.05 / 16) for seeds in range(2, 1001)]
    assert chances == sorted(chances) and chances[7] < POWER < chances[8] and chances[498] == 1.0
    assert seeds_needed(0.00433, 0.00253, 0.05 / 16) == 10
    assert seeds_needed(0.0, 1.0) is None and seeds_needed(1e-4, 1.0) is None


def test_non_inferiority_needs_the_whole_interval() -> None:
    values = [-0.01, 0.012, 0.004, -0.013, 0.002]
    mean = mean_over_seeds(values)
    reference = stats.ttest_1samp(values, -0.02, alternative="greater").pvalue
    assert p_not_worse(mean.value, mean.sd / 5**0.5, 4, 0.02) == pytest.approx(reference, abs=1e-9)
    assert p_not_worse(mean.value, mean.sd / 5**0.5, 4, -mean.low) == pytest.approx(0.025, abs=1e-9)
    assert p_not_worse(-0.01, 0.01, None, 0.03) == pytest.approx(stats.norm.sf(2), abs=1e-9)
    with pytest.raises(ValueError, match="margin"):
        p_not_worse(0.0, 1.0, None, 0.0)


def test_many_arms_are_not_worse_only_together() -> None:
    """An arm whose own interval lies just above the margin is not worse alone, and may be worse as one of eight."""
    mean = mean_over_seeds([-0.01, 0.012, 0.004, -0.013, 0.002])
    one = Comparison(
        [Difference(value, value - 0.03, value + 0.03) for value in (-0.01, 0.012, 0.004, -0.013, 0.002)], 90, 600
    )
    margin = -mean.low * 1.05
    assert [found.within for found in verdicts([one], margin)] == ["not worse"]
    assert {found.within for found in verdicts([one] * 8, margin)} == {"may be worse"}
    alone = Comparison([Difference(0.0, -0.01, 0.01)], 50, 600)
    assert verdicts([alone], 0.02)[0].within == "not worse (one seed)" and verdicts([alone])[0].within == ""


def test_p_of_an_interval_crosses_five_per_cent_with_its_end() -> None:
    assert p_of(Difference(0.05, 0.0, 0.1)) == pytest.approx(0.05, abs=1e-12)
    assert p_of(Difference(-0.05, -0.09, -0.01)) < 0.05 < p_of(Difference(-0.05, -0.11, 0.01))


def test_seeds_and_questions_worked_by_hand() -> None:
    # seeds (rows) 1, 2; questions (columns) 1, 2: means 0.5 of both seeds, 1 and 0 of the questions
    found = over_seeds_and_questions([[1, 0], [1, 0]])
    # MS_seeds 0, MS_questions 2 * (0.25 + 0.25) / 1 = 1, MS_rest 0: variance 1 / 4, t(0.975, 1) = 12.706
    assert (found.value, found.high - found.value) == pytest.approx((0.5, 12.7062 * 0.5), abs=1e-4)
    with pytest.raises(ValueError, match="2 seeds"):
        over_seeds_and_questions([[1, 0]])


def test_seeds_and_questions_are_as_wide_as_seeds_alone_or_wider() -> None:
    chance = np.random.default_rng(1)
    for _ in range(200):
        table = chance.integers(-1, 2, (chance.integers(2, 8), chance.integers(5, 80))).astype(float)
        both, seeds = over_seeds_and_questions(table), mean_over_seeds(table.mean(axis=1).tolist())
        variance = ((both.high - both.low) / 2) ** 2
        assert both.value == pytest.approx(seeds.value, abs=1e-12) and variance > 0


def alone(gained: int, lost: int, questions: int) -> Comparison:
    a = np.zeros(questions, dtype=int)
    b = a.copy()
    a[:lost], b[lost : lost + gained] = 1, 1
    return Comparison([paired_difference(a, b)], gained + lost, questions)


@pytest.mark.parametrize("overlap", [0, 5, 40, 80, 105])
def test_the_papers_two_questions_more_are_no_difference(overlap: int) -> None:
    """1,212 against 1,214 of 1,319: 91.88 % against 92.03 %, whatever the two have right in common."""
    (found,) = verdicts([alone(2 + overlap, overlap, 1319)])
    assert found.words.startswith("no detectable difference") and "one seed" in found.words


def test_one_seed_is_always_said() -> None:
    (found,) = verdicts([alone(100, 20, 500)])
    assert found.words == "better (one seed)"
    (found,) = verdicts([alone(20, 100, 500)])
    assert found.words == "worse (one seed)"


def over(values: list[float], changed: int = 200, questions: int = 500) -> Comparison:
    return Comparison([Difference(value, value - 0.03, value + 0.03) for value in values], changed, questions)


def test_a_gap_of_five_points_is_found_and_noise_is_not() -> None:
    found = verdicts([over([0.05, 0.045, 0.06, 0.05, 0.047]), over([0.01, -0.02, 0.015, -0.01, 0.0])])
    assert found[0].words == "better" and found[1].words.startswith("no detectable difference (needs")
    assert found[1].needed is None or found[1].needed > 5


def test_what_is_found_alone_may_be_lost_among_many() -> None:
    edge = over([0.05, 0.01, 0.04, 0.03, 0.06])  # t = 4.41, p = 0.012
    assert verdicts([edge])[0].words == "better"
    found = verdicts([edge, *[over([0.01, -0.01, 0.02, -0.02, 0.0])] * 9])
    assert found[0].words.startswith("not detectable among 10 (needs ~")


def test_too_few_changed_answers_decide_nothing() -> None:
    (found,) = verdicts([over([0.01, 0.01, 0.01], changed=6, questions=300)])
    assert found.words == "no detectable difference (only 6 answers differ)"


@pytest.mark.parametrize("arms", [1, 8])
def test_false_verdicts_under_the_null_are_rare(arms: int) -> None:
    """Five seeds of arms and baseline alike: questions by their difficulty, seeds by a spread of their own."""
    chance, false, repeats = np.random.default_rng(arms), 0, 400
    difficulty = chance.beta(1.5, 1.5, 300)
    for _ in range(repeats):
        level = chance.normal(0, 0.06, (arms + 1, 5))[:, :, None]
        right = chance.random((arms + 1, 5, 300)) < np.clip(difficulty + level, 0, 1)
        comparisons = [
            Comparison(
                [paired_difference(right[0, s].astype(int), right[arm, s].astype(int)) for s in range(5)],
                float((right[0] != right[arm]).sum()),
                300,
            )
            for arm in range(1, arms + 1)
        ]
        false += any(one.words in ("better", "worse") for one in verdicts(comparisons))
    # 28 of 400 are 7 %; with a true 5 % more than 34 come once in a thousand
    assert false <= 34


@pytest.mark.parametrize(("questions", "seeds"), [(100, 3), (500, 5), (500, 10)])
def test_intervals_over_seeds_hold_what_they_promise(questions: int, seeds: int) -> None:
    """Arms that differ by three points where there is room, as bench/coverage.py has them: 93 to 97 % of 1,000 intervals."""
    chance, held, repeats = np.random.default_rng(questions + seeds), 0, 1000
    for _ in range(repeats):
        own = chance.beta(1, 1, questions)
        other = own + 0.12 * own * (1 - own)
        truth = float((other - own).mean())
        level = chance.normal(0, 0.03, (2, seeds, 1)) * 4 * own * (1 - own)
        right = chance.random((2, seeds, questions)) < np.stack([own + level[0], other + level[1]])
        found = mean_over_seeds((right[1].mean(axis=1) - right[0].mean(axis=1)).tolist(), 1 / questions)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / repeats <= 0.975


def test_the_recorded_coverage_is_what_the_docstrings_say() -> None:
    rows = json.loads((Path(__file__).parents[2] / "bench/coverage.json").read_text())
    seeds = [row["coverage"] for row in rows["coverage"] if row["method"] == "mean_over_seeds" and row["changed"] >= 20]
    assert len(seeds) > 30 and min(seeds) >= 0.935 and max(seeds) <= 0.97
    assert max(row["false"] for row in rows["false_verdicts"]) < 0.07
