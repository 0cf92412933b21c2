"""Measures of k samples per question (pass@k, avg@k, maj@k) and tables by label, from verdicts and answers.

Shapes: N questions, K samples each. Every measure gives one value in 0..1 per question; its mean is the score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ufo_rl.stats.bootstrap import clustered_bootstrap
from ufo_rl.stats.intervals import wilson

# Of the bootstrap: fixed, so that the same rows have the same interval in every table.
SEED = 0


def pass_at_k(num_correct: ArrayLike, num_samples: int, k: int) -> np.ndarray:
    """Chance that at least one of k samples, drawn from the num_samples of a question, is correct; per question.

    The unbiased estimator 1 - C(n - c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374, eq. 1), as a product of k
    factors: the chances that each further draw is wrong. `num_correct` is (N,) whole numbers. ValueError unless
    1 <= k <= n and all c are in 0..n.
    """
    num_correct_N = np.asarray(num_correct)
    if not 1 <= k <= num_samples:
        raise ValueError(f"pass_at_k needs 1 <= k <= num_samples, got k={k}, num_samples={num_samples}")
    if not np.isin(num_correct_N, np.arange(num_samples + 1)).all():
        raise ValueError(f"pass_at_k needs counts in 0..num_samples={num_samples}, got {num_correct_N}")
    drawn = np.arange(k)
    # with fewer than k wrong samples one factor is 0
    return 1 - np.prod((num_samples - num_correct_N[..., None] - drawn) / (num_samples - drawn), axis=-1)


def avg_at_k(correct: ArrayLike) -> np.ndarray:
    """Share of correct samples per question, (N, K) verdicts to (N,). ValueError for any other shape."""
    return _verdicts(correct).mean(axis=1)


def maj_at_k(answers: Sequence[Sequence[str]], correct: Sequence[Sequence[bool]]) -> np.ndarray:
    """Expected correctness of the majority vote over all samples of each question, (N, K) to (N,).

    Samples vote by their label in `answers` (see `group_answers`). The empty label is "no answer": it never wins, and a
    question with no other label is wrong. Groups of equal size share the win, so the value is (right groups / groups) at
    the top, whatever the order of the samples. A group is as right as the mean of its verdicts, which differ only if the
    caller gave one label to answers graded apart. Always over all K samples; a vote of fewer is not estimated.
    ValueError unless every question has as many verdicts as answers, at least one.
    """
    if len(answers) != len(correct):
        raise ValueError(f"maj_at_k needs one row of verdicts per row of answers, got {len(correct)}, {len(answers)}")
    return np.array([_vote(own, verdicts) for own, verdicts in zip(answers, correct, strict=True)], dtype=np.float64)


def _vote(labels: Sequence[str], verdicts: Sequence[bool]) -> float:
    if len(labels) != len(verdicts) or not labels:
        raise ValueError(
            f"maj_at_k needs a verdict for each sample, got {len(labels)} answers, {len(verdicts)} verdicts"
        )
    groups: dict[str, list[bool]] = {}
    for label, verdict in zip(labels, verdicts, strict=True):
        if label:
            groups.setdefault(label, []).append(verdict)
    largest = max(map(len, groups.values()), default=0)
    top = [sum(group) / len(group) for group in groups.values() if len(group) == largest]
    return sum(top) / len(top) if top else 0.0


def group_answers(
    extracted: Sequence[str], same: Callable[[str, str], bool], normal_form: Callable[[str], str]
) -> list[str]:
    """Labels for the answers of one question, equal for equal answers: the first text of the group, "" for no answer.

    Texts with the same `normal_form` are equal; any other is compared with the first text of each group, in order, by
    `same(first, text)`, and joins the first group that takes it. What equality means is the grader's to say.
    """
    labels, label_of = [], {}
    for text in extracted:
        if not text.strip():
            labels.append("")
            continue
        normal = normal_form(text)
        if normal not in label_of:
            groups = dict.fromkeys(label_of.values())
            label_of[normal] = next((first for first in groups if same(first, text)), text)
        labels.append(label_of[normal])
    return labels


def sampled(correct_NK: ArrayLike, answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """All measures of K samples per question, each with its 95 % interval (clustered bootstrap, fixed seed).

    Keys, for K = 6: avg_at_6, pass_at_1, pass_at_2, pass_at_4, pass_at_6, maj_at_6, and of each NAME_ci_low and
    NAME_ci_high. avg_at_K and pass_at_1 are the same number. ValueError as in the single measures.
    """
    verdicts_NK = _verdicts(correct_NK)
    num_samples, num_correct_N = verdicts_NK.shape[1], verdicts_NK.sum(axis=1)
    measures = {f"avg_at_{num_samples}": avg_at_k(verdicts_NK)}
    for k in sorted({*(2**i for i in range(num_samples.bit_length())), num_samples}):
        measures[f"pass_at_{k}"] = pass_at_k(num_correct_N, num_samples, k)
    measures[f"maj_at_{num_samples}"] = maj_at_k(answers, verdicts_NK.tolist())
    summary = {}
    for name, values_N in measures.items():
        low, high = clustered_bootstrap(values_N, SEED)
        summary |= {name: float(values_N.mean()), f"{name}_ci_low": low, f"{name}_ci_high": high}
    return summary


def by_label(labels: Sequence[str], correct: ArrayLike) -> list[dict[str, Any]]:
    """A row {label, n, num_correct, accuracy, ci_low, ci_high} for each level or subject; questions without one left out.

    `correct` holds verdicts, (N,) or (N, K). `n` counts questions and num_correct right samples, so the accuracy is
    num_correct / (n * K). The interval is Wilson's for one sample and the clustered bootstrap (fixed seed) for more. Labels
    that are numbers come first, as numbers. ValueError unless there is one label per question.
    """
    verdicts = np.asarray(correct)
    verdicts_NK = _verdicts(verdicts[:, None] if verdicts.ndim == 1 else verdicts)
    if len(labels) != len(verdicts_NK):
        raise ValueError(f"by_label needs one label per question, got {len(labels)} for {len(verdicts_NK)}")
    rows = []
    for label in sorted(set(labels) - {""}, key=_sort_key):
        own_NK = verdicts_NK[[other == label for other in labels]]
        (n, num_samples), num_correct = own_NK.shape, int(own_NK.sum())
        low, high = wilson(num_correct, n) if num_samples == 1 else clustered_bootstrap(own_NK.mean(axis=1), SEED)
        accuracy = num_correct / own_NK.size
        row = {"label": label, "n": n, "num_correct": num_correct, "accuracy": accuracy, "ci_low": low, "ci_high": high}
        rows.append(row)
    return rows


def _sort_key(label: str) -> tuple[float, str]:
    try:
        number = float(label)
    except ValueError:
        number = math.inf
    return (math.inf if math.isnan(number) else number), label


def _verdicts(correct_NK: ArrayLike) -> np.ndarray:
    verdicts_NK = np.asarray(correct_NK)
    if verdicts_NK.ndim != 2 or verdicts_NK.size == 0 or not np.isin(verdicts_NK, (0, 1)).all():
        raise ValueError(f"verdicts must be 0 or 1 (questions, samples), got shape {verdicts_NK.shape}")
    return verdicts_NK.astype(bool)
