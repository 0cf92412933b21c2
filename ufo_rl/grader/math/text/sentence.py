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
# In front of "the answer is x": somebody doubts, denies or supposes it.
UNSAID = re.compile(
    r"(?:(?:\b(?:not|cannot|never|nobody|no one|none|hardly|neither)|n['\u2019]t)(?:\s(?!but\b|and\b|so\b)[\w'\u2019]+){0,2}?"
    r"\s(?:thinks?|believes?|says?|said|claims?|concludes?|sure|certain|convinced|knows?|true|case|means?|follows?"
    r"|agrees?|clear|right|correct|suggests?|implies|imply|possible|likely|assumes?|expects?)"
    r"|\b(?:false|untrue|wrong|incorrect|impossible|unlikely|doubtful|a mistake)"
    r"(?:\sto\s(?:say|think|claim|conclude|assume|believe))?|\bdoubt(?:s|ed)?|\b(?:suppos|assum)(?:e|ing|ed)|\bif|\bwhether)"
    r"(?:\s(?:that|if|whether))?\s(?:(?:the|that|this|our|my|your|his|her|their)\s)?(?:(?:final|correct|right)\s)?$",
    re.IGNORECASE,
)
# Behind the answer, in its sentence or in the next: it is not the answer after all.
TAKEN_BACK = re.compile(
    r"[\s,;.!?(\u2014-]*(?:(?:wait|hmm+|no|oh|but|and|actually|which|that|this|it)\b[\s,;.!-]*){0,4}"
    r"(?:(?:(?:'s|\u2019s|is|was|seems|must[ \t]+be)[ \t]+)?(?:(?:clearly|obviously|also|definitely|completely|just)[ \t]+)?"
    r"(?:wrong|incorrect|impossible|absurd|false|nonsense|a contradiction|not[ \t]+(?:right|correct|possible|true))"
    r"[)\s]*(?:[.!,;]|$)"
    r"|which[ \t]+contradicts\b)|[\s.!?]*no[ \t]*[.!]",
    re.IGNORECASE,
)
MAX_BEFORE = 100  # characters in front of "answer" that may take it back
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
    (UNSAID, "I don't think the ", "n't think the "),
    (UNSAID, "it is wrong to say that the final ", "wrong to say that the final "),
    (UNSAID, "5 is not possible, so the ", None),
    (TAKEN_BACK, ", which is wrong.", ", which is wrong."),
    (TAKEN_BACK, ". Wait, that's not right.", ". Wait, that's not right."),
    (TAKEN_BACK, ", which is impossible to beat", None),
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
        if UNSAID.search(text[max(0, match.start() - MAX_BEFORE) : match.start()]):
            continue
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
        if TAKEN_BACK.match(rest, match.end()) or rest[match.end() :].lstrip().startswith("?"):
            return ""
        tail = rest[match.end() :].partition("\n")[0]
        tail = tail[: SAID_END.search(tail).start()]  # pyright: ignore[reportOptionalMemberAccess]
        return next(filter(None, match.groups()[1:])).strip() + (tail if ADDED.match(tail) else "")
    rest = rest.partition("\n")[0]
    if "boxed" not in rest:
        end = SAID_END.search(rest).start()  # pyright: ignore[reportOptionalMemberAccess]
        if TAKEN_BACK.match(rest, end) or rest[end : end + 1] == "?":
            return ""
        rest = LAST_IS.apply(rest[:end])
        if match := QUOTED.match(rest):
            return next(filter(None, match.groups()[1:])).strip()
    return "" if REMARK.match(rest) else rest[: first_unopened(rest)].strip(" *_")
