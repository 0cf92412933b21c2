"""Letters of a multiple choice: which one an answer picks, and that it picks no other."""

from __future__ import annotations

import re

from ufo_rl.grader.math.words.units import bare

ANSWER = re.compile(r"^(?:Answer|Option|Choice)\s*:?\s*", re.IGNORECASE)
CHOICE = re.compile(r"[\[(]?([A-Ja-j])[\])]?(?:(?:(?<=[\])])|[.:)])[.:)]*(?P<rest>.*))?", re.DOTALL)
BEFORE_COMMA = re.compile(
    r"(?:[a-z]+ )*([A-J])(?P<rest>(?:,| ?\(not\b| (?:and|but) not\b).*)", re.DOTALL
)  # surely D, it cannot be A
# "A rose" and "I think" are words, "A or B" is not.
LETTER = r"(?<![\w\\])(?:[B-HJb-hj]|[AIai](?! (?!(?:and|or|nor|is|are|but|also|too)\b)[a-z]{2,}))(?![\w'])"
ONE = re.compile(LETTER)
LETTERS = rf"[\[(]?{LETTER}[\])]?(?:(?:[ ,/]|or\b|and\b|nor\b){{1,9}}[\[(]?{LETTER}[\])]?)*"
REJECTED = re.compile(
    rf"(?:\b(?:not|cannot|never|neither|rather than|instead of)\b|n't\b)[^,;.:]{{0,80}}?{LETTERS}"
    rf"|{LETTERS} (?:(?:is|are) (?:not|wrong|incorrect|impossible)|(?:is|are|ca)n't|cannot)\b"
)
JOINED = re.compile(r"\s*(?:[,;/&]|or\b|and\b|but\b)")
REASON = re.compile(r"\s*,\s*(?!or\b|and\b|maybe\b|perhaps\b|possibly\b)(?:[^A-Za-z]*[A-Za-z]{2,}){3}")
TAKEN_BACK = re.compile(r"\W*(?:is (?:not|wrong|incorrect)\b|(?:wrong|incorrect)\W*(?:[,.;]|$))", re.IGNORECASE)


def same_choice(gold: str, answer: str) -> bool | None:
    """Whether the answer picks the gold's letter; None where the gold is no letter, or the answer picks none or several.

    The text of a choice and a reason may follow its letter. Another letter A to J may not, unless it is rejected.
    """
    wanted = re.fullmatch(r"\(?([A-J])\)?", bare(gold))
    if not wanted:
        return None
    text = ANSWER.sub("", bare(answer))
    found = CHOICE.fullmatch(text) or BEFORE_COMMA.fullmatch(text)
    if found is None:
        return None
    letter, rest = found[1].upper(), found["rest"] or ""
    rejected = {other.upper() for found in REJECTED.finditer(rest) for other in ONE.findall(found[0])}
    if letter in rejected or (
        not rejected and (TAKEN_BACK.match(rest) or (JOINED.match(rest) and not REASON.match(rest)))
    ):
        return None
    others = {other.upper() for other in ONE.findall(REJECTED.sub("", rest))} - {letter}
    return None if others else letter == wanted[1]
