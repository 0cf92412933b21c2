"""What sentences give as the answer: "the answer is x", "Answer: x", and whether a later one takes it back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ufo_rl.grader.math.text.boxes import first_unopened
from ufo_rl.grader.math.text.rewrite import rule

# Adverbs do not change what a sentence says; "not" does.
ADVERB = r"(?:[ \t]+(?:therefore|thus|then|hence|now|simply|just|indeed|clearly|exactly|finally))?"
SAID = re.compile(
    r"[Aa](?<![A-Za-z][Aa])(?i:nswers?[*_]*(?:[ \t]+(?:to|for)[ \t]+(?:the|this|that)[ \t]+(?:question|problem|exercise))?"
    rf"(?:{ADVERB}[ \t]+(?:is|are|equals|(?:would|must|should|will)[ \t]+be)(?:[ \t]+equal[ \t]+to)?{ADVERB}"
    r"[ \t]*:?|[ \t]*[:=\uff1a])[*_]*)",
)
# A sign that begins a value, or a letter that picks a choice.
VALUE = r"(?:[\d$\\]|(?<![\w'])[A-J](?![\w']))"
# Where the answer ends: at a tag, at the next sentence, at a reason.
SAID_END = re.compile(
    r"</[a-z_]+>|<(?:[a-z_]{3,}>|\|)|[.!?]\s+(?=[A-Z](?![.)]))"
    rf"(?!(?:Or|Maybe|Perhaps|Possibly)\b[^.!?]{{0,80}}?{VALUE})"
    r"|,?\s+(?:because|since|as(?!\s+(?:is|are|well)\b)|which|(?:but |and )?not)\s"
    # a second value is part of what the sentence says, unless it belongs to a check of the first
    rf"|,?\s+but\s(?![^.!?]{{0,80}}?{VALUE})"
    rf"|,?\s+and (?:this|that|it|we)\s(?!(?:(?!check|verif|have\b|=)[^.!?]){{0,80}}?{VALUE})|[.!,;]*\s*$"
)
# What no answer is, though it follows "the answer is".
REMARK = re.compile(r"(?:n't|not|correct|right|wrong|incorrect|reasonable|valid|consistent|confirmed)\b", re.IGNORECASE)
# A remark that may reject an earlier answer, all of it or the one it names.
WRONG = re.compile(
    r"(?:(?:wrong|incorrect)\b|(?:n't|not)\s+(?:right|correct|valid)\b|(?:n't|not)\s+(?P<what>\S.*))", re.IGNORECASE
)
# Behind "the answer is not": it rejects nothing.
HARMLESS = re.compile(r"(?:wrong|incorrect|unique|obvious|clear|an?)\b", re.IGNORECASE)
# Mathematics in its delimiters, which is the whole answer.
QUOTED = re.compile(r"(\${1,2})([^$]+)\1|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
# A second value behind the first, as in "$5$ or maybe $6$".
ADDED = re.compile(
    r"\s*(?:,|,?\s*(?:or|and|but)\s(?:\s*(?:it|this|that|is|be|also|even|maybe|perhaps|possibly|could|might|may)\s){0,4})\s*"
    + VALUE
)
# "The value of x is 7" says 7.
LAST_IS = rule(
    r"^(?:The|the|Thus|So|Therefore|Hence)\b.*\s(?:is|are|equals)\s+(?=\S)", "", "The largest number is 34", "34"
)

MAX_SAID = 2000  # characters behind "the answer is"
MAX_REMARKS = 8  # remarks behind the last answer that are looked at

EXAMPLES = (
    (SAID, "The final answer to this question is therefore: 7", "answer to this question is therefore:"),
    (SAID, "that seems to be the answer", None),
    (SAID_END, "5, because it is", ", because "),
    (SAID_END, "5, but it could be 6", ""),
    (SAID_END, "5, but we checked it", ", but "),
    (REMARK, "not 7", "not"),
    (WRONG, "not 6", "not 6"),
    (WRONG, "right", None),
    (HARMLESS, "unique", "unique"),
    (QUOTED, "$5$ and 6", "$5$"),
    (QUOTED, r"\[ x = 7 \]", r"\[ x = 7 \]"),
    (ADDED, ", or maybe $6$", ", or maybe $"),
    (ADDED, ", as it should", None),
)


def said_answers(text: str) -> Iterator[tuple[int, str]]:
    """(end, content) of the last sentence that says an answer, unless a remark behind it takes that back."""
    if "nswer" not in text.lower():  # cheaper than the pattern
        return
    remarks: list[str] = []
    for match in reversed(list(SAID.finditer(text))):
        rest = text[match.end() : match.end() + MAX_SAID].lstrip()
        if answer := said(rest):
            if not any(_takes_back(remark, answer) for remark in remarks):
                yield match.end() + 1, answer
            break
        if len(remarks) < MAX_REMARKS:
            remarks.append(rest)


def _takes_back(remark: str, answer: str) -> bool:
    """Whether a remark behind a later "the answer is" rejects what was said; "not 6" does not reject 5."""
    match = WRONG.match(remark)
    if match is None or (match["what"] and HARMLESS.match(match["what"])):
        return False
    what = said(match["what"]) if match["what"] else ""
    return not re.match(VALUE + r"|[-(]", what) or re.match(re.escape(answer) + r"(?![\w.])", what) is not None


def said(rest: str) -> str:
    """What a sentence gives as the answer: inside $..$, or the line up to its end or its reason, from the last "is" on."""
    if match := QUOTED.match(rest):
        tail = rest[match.end() :].partition("\n")[0]
        tail = tail[: SAID_END.search(tail).start()]  # pyright: ignore[reportOptionalMemberAccess]
        return next(filter(None, match.groups()[1:])).strip() + (tail if ADDED.match(tail) else "")
    rest = rest.partition("\n")[0]
    if "boxed" not in rest:
        rest = LAST_IS.apply(rest[: SAID_END.search(rest).start()])  # pyright: ignore[reportOptionalMemberAccess]
        if match := QUOTED.match(rest):
            return next(filter(None, match.groups()[1:])).strip()
    return "" if REMARK.match(rest) else rest[: first_unopened(rest)].strip(" *_")
