"""How the kept prompts differ from the pool: length, level, subject, kind of answer, script of the question."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ufo_rl.report.insight.pool_table import Scored
from ufo_rl.stats.intervals import wilson

MAX_VALUES = 8  # of one property that are listed; the rest is one row
KINDS = (
    ("integer", re.compile(r"[-+]?\d{1,3}(,?\d{3})*|[-+]?\d+")),
    ("decimal", re.compile(r"[-+]?\d*\.\d+")),
    ("fraction", re.compile(r"[-+]?\d+/\d+|[-+]?\\d?frac\{.*\}\{.*\}")),
    ("choice", re.compile(r"\(?[A-Ea-e]\)?")),
)
SCRIPTS = (
    "LATIN",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "CYRILLIC",
    "ARABIC",
    "GREEK",
    "DEVANAGARI",
    "HEBREW",
    "THAI",
)


class Leaning(NamedTuple):
    """One value of a property: its share of the pool, and of the kept prompts with a 95 % interval (Wilson)."""

    what: str
    value: str
    pool: float
    kept: float
    low: float
    high: float


def bias(pool: Scored) -> list[Leaning]:
    """The properties that vary in the pool, every value of each; [] where nothing was kept."""
    if not pool.kept.any():
        return []
    lengths = np.array([len(question) for question in pool.questions])
    thirds = np.quantile(lengths, (1 / 3, 2 / 3))
    by_third = [_third(length, thirds) for length in lengths]
    properties: dict[str, Sequence[str]] = {
        "question length": by_third,
        "level": pool.levels,
        "subject": pool.subjects,
        "answer": _of(pool.answers, kind_of_answer),
        "script": _of(pool.questions, script_of),
    }
    rising: list[int] = np.argsort(lengths, kind="stable").tolist()
    order = list(dict.fromkeys(by_third[i] for i in rising))
    return [row for name, values in properties.items() for row in _rows(name, values, pool.kept, order)]


def kind_of_answer(answer: str) -> str:
    """integer, decimal, fraction, choice (of A to E), text or formula (anything with a backslash or an operator)."""
    answer = answer.strip().strip("$").replace(" ", "")
    for name, form in KINDS:
        if form.fullmatch(answer):
            return name
    return "formula" if re.search(r"[\\^_=+*/{}\[\]()]", answer) else "text"


def script_of(text: str) -> str:
    """The script of most letters, as Unicode names it, in small letters; "none" without letters."""
    found = Counter(
        next((script for script in SCRIPTS if unicodedata.name(letter, "").startswith(script)), "OTHER")
        for letter in text
        if letter.isalpha()
    )
    return found.most_common(1)[0][0].lower() if found else "none"


def _of(texts: Sequence[str], name: Callable[[str], str]) -> list[str]:
    return [name(text) for text in texts]


def _third(length: int, thirds: np.ndarray) -> str:
    low, high = (round(float(bound)) for bound in thirds)
    if length <= thirds[0]:
        return f"up to {low} characters"
    return f"{low} to {high} characters" if length <= thirds[1] else f"over {high} characters"


def _rows(name: str, values: Sequence[str], kept: np.ndarray, order: Sequence[str] = ()) -> list[Leaning]:
    """order: of values whose text does not say it."""
    counts = Counter(values)
    if len(counts) < 2:
        return []
    shown = [value for value, _ in counts.most_common(MAX_VALUES)]
    own = [value if value in shown else "other" for value in values]
    total, num_kept = Counter(own), int(kept.sum())
    chosen = Counter(value for value, is_kept in zip(own, kept.tolist(), strict=True) if is_kept)
    rows = []
    for value in sorted(total, key=lambda one: (one == "other", order.index(one) if one in order else 0, one)):
        low, high = wilson(chosen[value], num_kept)
        rows.append(Leaning(name, value or "none", total[value] / len(own), chosen[value] / num_kept, low, high))
    return rows
