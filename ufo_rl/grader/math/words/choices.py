"""Letters of a multiple choice: which one an answer picks, and that it picks no other."""

from __future__ import annotations

import re

from ufo_rl.grader.math.text.rewrite import rule
from ufo_rl.grader.math.words.plain import bare

NAMED = rule(r"(?i)^(?:Answer|Option|Choice)\s*:?\s*", "", "Option: B", "B")
# A letter alone, in brackets, or with a stop behind it; the text of the choice may follow.
CHOICE = re.compile(r"[\[(]?([A-Ja-j])[\])]?(?:(?:(?<=[\])])|[.:)])[.:)]*(?P<rest>.*))?", re.DOTALL)
# Words, the letter, and what is said against others.
BEFORE_COMMA = re.compile(r"(?:[a-z]+ )*([A-J])(?P<rest>(?:,| ?\(not\b| (?:and|but) not\b).*)", re.DOTALL)
# "A rose" and "I think" are words, "A or B" is not.
LETTER = r"(?<![\w\\])(?:[B-HJb-hj]|[AIai](?! (?!(?:and|or|nor|is|are|but|also|too)\b)[a-z]{2,}))(?![\w'])"
# One letter of those that are picked or rejected.
ONE = re.compile(LETTER)
LETTERS = rf"[\[(]?{LETTER}[\])]?(?:(?:[ ,/]|or\b|and\b|nor\b){{1,9}}[\[(]?{LETTER}[\])]?)*"
# Letters that the answer says are not it.
REJECTED = re.compile(
    rf"(?:\b(?:not|cannot|never|neither|rather than|instead of)\b|n't\b)[^,;.:]{{0,80}}?{LETTERS}"
    rf"|{LETTERS} (?:(?:is|are) (?:not|wrong|incorrect|impossible)|(?:is|are|ca)n't|cannot)\b"
)
# Behind the letter: another one is picked, too.
JOINED = re.compile(r"\s*(?:[,;/&]|or\b|and\b|but\b)")
# Behind a comma: three words or more, which say why.
REASON = re.compile(r"\s*,\s*(?!or\b|and\b|maybe\b|perhaps\b|possibly\b)(?:[^A-Za-z]*[A-Za-z]{2,}){3}")
# Behind the letter: it is not the answer after all.
TAKEN_BACK = re.compile(r"\W*(?:is (?:not|wrong|incorrect)\b|(?:wrong|incorrect)\W*(?:[,.;]|$))", re.IGNORECASE)

EXAMPLES = (
    (CHOICE, "(B) the second", "(B) the second"),
    (BEFORE_COMMA, "surely D, it cannot be A", "surely D, it cannot be A"),
    (ONE, "I think so or B", "B"),
    (ONE, "A or B", "A"),
    (REJECTED, "D, not A or C", "not A or C"),
    (REJECTED, "D, because A is wrong", "A is wrong"),
    (JOINED, ", or A", ","),
    (REASON, ", because it is the largest", ", because it is"),
    (REASON, ", or A", None),
    (TAKEN_BACK, " is wrong", " is wrong"),
)


def same_choice(gold: str, answer: str) -> bool | None:
    """Whether the answer picks the gold's letter; None where the gold is no letter, or the answer picks none or several.

    The text of a choice and a reason may follow its letter. Another letter A to J may not, unless it is rejected.
    """
    wanted = re.fullmatch(r"\(?([A-J])\)?", bare(gold))
    if not wanted:
        return None
    text = NAMED.apply(bare(answer))
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
