"""Answers that are words."""

from __future__ import annotations

import re

from ufo_rl.grader.math.text.patterns import TEXT
from ufo_rl.grader.math.text.rewrite import rule

BARE = rule(TEXT.pattern, r"\1", r"\text{no solution}", "no solution")
# Articles, quotes, stops and hyphens: two texts that differ in these alone say the same.
MARKS = rule(
    r"^(?:an?|the) |[\s$'\"]|(?<!\d)[.,]|[.,](?!\d)|(?<=[a-z])-(?=[a-z]{3})|(?<=\bno solution)s",
    "",
    "the so-called 'no solutions.'",
    "socallednosolution",
)
# A word rather than a product of unknowns.
LONG = re.compile(r"[a-z]{4}")

EXAMPLES = ((LONG, "2nd term", "term"),)


def bare(text: str) -> str:
    """Without \\text{..} around words, quotes and outer brackets of a single letter."""
    return BARE.apply(text).strip(" .,")


def same_words(gold: str, answer: str) -> bool | None:
    """Whether both are the same words; None where they are not only words."""
    a, b = (MARKS.apply(bare(text).casefold()) for text in (gold, answer))
    # marks left out of a formula that nobody could read would make different formulas equal
    is_words = all((text.isalpha() and len(text) > 1) or (text.isalnum() and LONG.search(text)) for text in (a, b))
    return a == b if is_words else (a.isalpha() and a == b) or None
