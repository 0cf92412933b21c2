"""Measures of k samples against numbers worked by hand, enumeration of all subsets, and laws."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.stats import binomtest

from ufo_rl.grader.math import equivalence
from ufo_rl.grader.math.text.normal import normalise
from ufo_rl.stats.bootstrap import clustered_bootstrap
from ufo_rl.stats.samples import avg_at_k, by_label, group_answers, maj_at_k, pass_at_k, sampled


def test_pass_at_k_worked_by_hand():
    # 5 samples, 2 drawn: 10 pairs. No correct one: 0; one: 4 pairs of 10 hold it; two: 1 - 3/10; four and five: all
    assert pass_at_k([0, 1, 2, 4, 5], 5, 2) == pytest.approx([0, 0.4, 0.7, 1, 1], abs=1e-15)


@pytest.mark.parametrize("k", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(k):
    for num_correct in range(8):
        verdicts = [True] * num_correct + [False] * (7 - num_correct)
        subsets = list(combinations(verdicts, k))
        assert pass_at_k([num_correct], 7, k)[0] == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-15)


@pytest.mark.parametrize("num_samples, k", [(16, 8), (200, 100), (2000, 1000)])
def test_pass_at_k_equals_the_exact_binomials(num_samples, k):
    # C(2000, 1000) has 601 digits, above the largest float: whole numbers of any size are the reference
    counts = [0, 1, 2, num_samples // 10, num_samples - k, num_samples - k + 1, num_samples]
    exact = [1 - math.comb(num_samples - c, k) / math.comb(num_samples, k) for c in counts]
    assert pass_at_k(counts, num_samples, k) == pytest.approx(exact, abs=1e-12)


def test_pass_at_k_rises_with_k_and_with_the_count():
    table = np.stack([pass_at_k(np.arange(17), 16, k) for k in range(1, 17)])
    assert (np.diff(table[:, 1:], axis=0) >= 0).all() and (np.diff(table, axis=1) >= 0).all()
    assert (table[:, 0] == 0).all() and (table[-1, 1:] == 1).all()


def test_pass_at_k_is_unbiased():
    # at a pass rate of 0.3, one of 3 samples is right with chance 1 - 0.7^3; the mean over all outcomes of 10 samples
    chance = [math.comb(10, c) * 0.3**c * 0.7 ** (10 - c) for c in range(11)]
    assert pass_at_k(np.arange(11), 10, 3) @ np.array(chance) == pytest.approx(1 - 0.7**3, abs=1e-12)


@pytest.mark.parametrize("num_correct, num_samples, k", [([1], 4, 5), ([1], 4, 0), ([5], 4, 2), ([-1], 4, 2)])
def test_pass_at_k_refuses_impossible_counts(num_correct, num_samples, k):
    with pytest.raises(ValueError, match=r"pass_at_k needs .*num_samples=4"):
        pass_at_k(num_correct, num_samples, k)


@pytest.mark.parametrize("num_correct", [[1.5], [math.nan]])
def test_pass_at_k_refuses_fractions_of_a_sample(num_correct):
    with pytest.raises(ValueError, match="needs counts"):
        pass_at_k(num_correct, 4, 2)


def test_avg_at_k_is_the_share_of_each_question():
    assert avg_at_k([[1, 0, 0, 0], [True, True, True, False]]).tolist() == [0.25, 0.75]


@pytest.mark.parametrize("correct", [[], [1, 0], [[]], [[0, 2]], [[0.5]]])
def test_verdicts_are_zeros_and_ones_by_question_and_sample(correct):
    with pytest.raises(ValueError, match="verdicts must be 0 or 1"):
        avg_at_k(correct)


MAJORITIES = {
    "the largest group wins": ("aab", [1, 1, 0], 1),
    "also when it is wrong": ("aab", [0, 0, 1], 0),
    "two at the top share": ("aabbc", [1, 1, 0, 0, 0], 1 / 2),
    "three at the top share": ("abc", [0, 1, 0], 1 / 3),
    "no answer has no vote": ("---a", [0, 0, 0, 1], 1),
    "no answer at all is wrong": ("---", [0, 0, 0], 0),
    "verdicts apart in one group are averaged": ("aaaab", [1, 1, 1, 0, 0], 3 / 4),
    "one sample": ("a", [1], 1),
}


@pytest.mark.parametrize("labels, verdicts, value", MAJORITIES.values(), ids=MAJORITIES)
def test_majority(labels, verdicts, value):
    for order in set(permutations(zip(labels, verdicts, strict=True))):
        own = [label.replace("-", "") for label, _ in order]
        assert maj_at_k([own], [[bool(verdict) for _, verdict in order]]) == pytest.approx([value], abs=1e-15)


def test_a_vote_of_one_is_the_sample():
    correct = [[True], [False], [True]]
    assert maj_at_k([["7"], ["8"], ["9"]], correct).tolist() == avg_at_k(correct).tolist()


@pytest.mark.parametrize("answers, correct", [([["a"]], [[True, False]]), ([["a"]], []), ([[]], [[]])])
def test_majority_refuses_unequal_rows(answers, correct):
    with pytest.raises(ValueError, match="maj_at_k needs"):
        maj_at_k(answers, correct)


def test_equal_answers_share_the_label_of_the_first():
    def same(first: str, text: str) -> bool:
        return bool(equivalence.same(first, text))

    found = ["1/2", "", "0.5", "3", r"\frac{1}{2}", " ", "3.0", "50"]
    assert group_answers(found, same, normalise) == ["1/2", "", "1/2", "3", "1/2", "", "3", "50"]


def test_same_is_asked_once_for_each_spelling_and_group():
    asked = []

    def same(first: str, text: str) -> bool:
        asked.append((first, text))
        return False

    # $7$, 7 and "7." are one normal form; 8 meets the first of that group, 9 the first of both
    assert group_answers(["$7$", "7", "8", "7.", "8", "9"], same, normalise) == ["$7$", "$7$", "8", "$7$", "8", "9"]
    assert asked == [("$7$", "8"), ("$7$", "9"), ("8", "9")]


def test_summary_of_six_samples():
    # right: 3, 1, 0 and 6 of 6. avg 10/24. pass@2: 1 - 3/15, 1 - 10/15, 0, 1. pass@4: 1, 1 - 5/15, 0, 1
    correct = [[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6, [1] * 6]
    answers = [list("aaabbb"), list("abbccc"), [""] * 6, list("aaaaaa")]
    summary = sampled(correct, answers)
    names = ["avg_at_6", "pass_at_1", "pass_at_2", "pass_at_4", "pass_at_6", "maj_at_6"]
    values = [10 / 24, 10 / 24, (12 / 15 + 5 / 15 + 1) / 4, (1 + 10 / 15 + 1) / 4, 3 / 4, 1.5 / 4]
    assert [summary[name] for name in names] == pytest.approx(values, abs=1e-12)
    assert list(summary) == [name + end for name in names for end in ("", "_ci_low", "_ci_high")]
    assert all(summary[f"{name}_ci_low"] < summary[name] < summary[f"{name}_ci_high"] for name in names)


def test_summary_of_many_questions():
    generator = np.random.default_rng(0)
    correct = generator.random((60, 8)) < generator.beta(0.5, 0.5, (60, 1))
    answers = [["right" if verdict else f"wrong {k}" for k, verdict in enumerate(row)] for row in correct]
    summary = sampled(correct, answers)
    for end in ("", "_ci_low", "_ci_high"):
        assert summary[f"pass_at_1{end}"] == pytest.approx(summary[f"avg_at_8{end}"], abs=1e-12)
    assert (summary["avg_at_8_ci_low"], summary["avg_at_8_ci_high"]) == clustered_bootstrap(correct.mean(axis=1), 0)
    mixed = generator.permutation(60)
    assert sampled(correct[mixed], [answers[i] for i in mixed]) == pytest.approx(summary, abs=1e-12)


def test_one_sample_has_the_interval_of_greedy_decoding():
    correct = np.repeat([[1], [0]], [7, 13], axis=0)
    reference = binomtest(7, 20).proportion_ci(method="wilson")
    summary = sampled(correct, [["a"]] * 20)
    for name in ("avg_at_1", "pass_at_1", "maj_at_1"):
        found = [summary[name + end] for end in ("", "_ci_low", "_ci_high")]
        assert found == pytest.approx([0.35, reference.low, reference.high], abs=1e-12)


def test_table_by_level():
    labels = ["10", "2", "", "Algebra", "2", "10", "10"]
    rows = by_label(labels, [True, True, True, False, False, True, False])
    counts = [(row["label"], row["n"], row["num_correct"], row["accuracy"]) for row in rows]
    assert counts == [("2", 2, 1, 0.5), ("10", 3, 2, 2 / 3), ("Algebra", 1, 0, 0.0)]
    for row in rows:
        reference = binomtest(row["num_correct"], row["n"]).proportion_ci(method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_table_of_several_samples():
    generator = np.random.default_rng(0)
    correct = generator.random((40, 4)) < generator.random((40, 1))
    rows = by_label(["1", "2"] * 20, correct)
    for row, own in zip(rows, (correct[::2], correct[1::2]), strict=True):
        low, high = clustered_bootstrap(own.mean(axis=1), 0)
        assert row == pytest.approx(
            {
                "label": row["label"],
                "n": 20,
                "num_correct": own.sum(),
                "accuracy": own.sum() / 80,
                "ci_low": low,
                "ci_high": high,
            }
        )
    assert [row["label"] for row in rows] == ["1", "2"]


def test_table_needs_a_label_for_every_question():
    assert by_label(["", ""], [True, False]) == []
    with pytest.raises(ValueError, match="one label per question, got 1 for 2"):
        by_label(["1"], [True, False])
