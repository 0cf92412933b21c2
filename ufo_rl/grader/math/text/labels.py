"""`A: 18` on a line of its own, as the sample solutions of GSM8K end; options, dialogues and names look much the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

LABEL = re.compile(r"^[*_]{0,2}A[*_]{0,2}[:\uff1a][*_]{0,2}[ \t]*(?P<answer>\S[^\n]*)", re.MULTILINE)
# A number or a formula, with few words behind it.
VALUE = re.compile(
    r"(?:[A-Za-z]\s?=\s?)?(?:\$[^$\n]+\$|\\\([^\n]+?\\\)|[-\u2212+]?(?:\\?\$|\u20ac|\u00a3)?\s?[-\u2212]?(?:\d[\d,./]*|\.\d+)\s?%?)"
    r"(?:\s?(?!(?:is|are|was|and|or|not|if|to|of|times|plus|minus)\b)[A-Za-z\u00b0]+){0,3}[.!]?"
)
# Another label of one letter: options, points, people.
ANOTHER = re.compile(r"^[-*_>\s(]{0,6}[B-PR-Z][*_]{0,2}[).:\uff1a]|\bB\s?[):\uff1a]", re.MULTILINE)
# The model asks by itself, and answers that.
QUESTION = re.compile(r"\b(?:Q|Question|User|Human)[*_]{0,2}\s?[:\uff1a]")

EXAMPLES = (
    (LABEL, "so\n**A:** 18 eggs\n", "**A:** 18 eggs"),
    (LABEL, "point A: (1,2)", None),
    (VALUE, "18 eggs.", "18 eggs."),
    (ANOTHER, "A: 5\nB: 6", "B:"),
    (QUESTION, "Q: Is it?", "Q:"),
)


def labelled_answers(text: str) -> Iterator[tuple[int, str]]:
    """(end, content) of the last `A: x` that answers the task: it ends the text or stands before another question, or
    begins it; no question and no other label stands beside it."""
    if "A:" not in text and "A*" not in text and "A\uff1a" not in text:
        return
    found = list(LABEL.finditer(text))
    if not found or ANOTHER.search(text):
        return
    question = QUESTION.search(text)
    own = text[: question.start()] if question else text
    for match in reversed(found):
        content = match["answer"].strip(" \t*_")
        if match.end() <= len(own) and VALUE.fullmatch(content):
            if not own[match.end() :].strip() or not own[: match.start()].strip():
                yield match.end(), content.rstrip(".!")
            return
