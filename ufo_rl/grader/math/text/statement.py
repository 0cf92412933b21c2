"""What sentences of other languages than English give as the answer, value by value: words around it may be many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ufo_rl.grader.math.text.languages import (
    AND,
    BUT,
    CHINESE,
    DENIED,
    DOUBTED,
    ELSEWHERE,
    FOLLOWS,
    HEADING,
    IF,
    LANGUAGES,
    LEAD,
    NOT_BUT,
    OTHERS,
    PERCENT,
    REASON,
    STEP,
    TAKEN_BACK,
    WRONG,
)
from ufo_rl.grader.math.text.modifiers import CHANGED

MAX_SAID = 2000  # characters behind the marker
MAX_LOOKED_AT = 32  # statements, from the last one: each costs a look at its sentence
MAX_BEFORE = 40  # characters before the marker that may make it a condition
MAX_WORDS = 20  # characters of an answer in words
WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code) not in "\uff0c\uff1b\uff1f\uff01"}
CIRCLED = {0x2460 + number: str(number + 1) for number in range(20)}
NARROW = WIDE | CIRCLED
# A text without a stem says nothing in its language: looking for one costs far less than the marker.
STEMS = tuple((stem, language) for language in LANGUAGES for stem in language.stems)
ASCII_STEMS = tuple((stem, language) for stem, language in STEMS if stem.isascii())
# Where the sentence ends; a stop inside a number ends none.
SENTENCE_END = re.compile(
    r"[\n\u3002\uff01\uff1f\u3010]|[.!?](?=\s+[^\W\da-z_]|\s+[\u00bf\u00a1*#]|\s*$|[\u3000-\u9fff])|</?[a-z_]+>"
)
# Where its first part ends: what stands behind gives a reason.
CLAUSE_END = re.compile(
    r"[\uff0c\uff1b](?!\s*(?:[-\u2212]?[\d$\\]|[A-J]\s*(?:[\uff0c,.]|$)))|[,;]\s(?=[^\W\d_]{2})|\s(?:porque|pois|car|parce|weil|denn|da|perch\u00e9|\u043f\u043e\u0442\u043e\u043c\u0443)\s"
    r"|(?:\s(?:y|et|und|e|\u0438)\s|\s?\u800c)(?=no\s|non\s|nicht\s|n\u00e3o\s|\u043d\u0435\s|\u4e0d)"
)
QUOTED = re.compile(r"(\${1,2})([^$]+)\1|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
LETTER = r"[^\W\d_]"
LATIN = r"[A-Za-z\u00c0-\u024f]"
# The beginning of a text that mathematics may be: no words.
VALUE = re.compile(
    rf"(?:\\text\{{[^{{}}]*\}}|\\[A-Za-z]+|\\.|\d|(?<!{LATIN})(?:[A-J]{{2,6}}|[A-Z]|[a-z](?!\s+{LETTER}{{2}}))(?!{LATIN})|[\u0391-\u03c9]"
    r"|(?:sin|cos|tan|log|ln|sqrt|pi)(?![A-Za-z])|[^\w\s]|_|\s)*"
)
NUMBER = re.compile(r"[-\u2212]?\d+(?:[.,\u00a0\u202f ]\d+)*")
HAS_VALUE = re.compile(rf"\d|(?<!{LATIN})[A-Za-z](?!{LATIN})|\\[A-Za-z]|[\u0391-\u03c9]")
# Decimals with a comma, and thousands with points or in groups. One point, or a comma before three digits, may be either:
# it is read as in English.
COMMA = re.compile(r"(?<![\d.,])(\d+)(?:,|\{,\})(\d{1,2}|\d{4,})(?![\d.,])")
POINTS = re.compile(r"(?<![\d.,])(\d{1,3}(?:\.\d{3})+),(\d+)(?![\d.,])")
GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.,])")
BRACKET = re.compile(r"[(\[{]")
DIGIT = re.compile(r"\d")
MORE = re.compile(r"\s*,\s*[$\d\\]")
ASKED = re.compile("\u95ee\\s*[:\uff1a]")
OPENING = ("\u201c", "\u300c", "\u300e", "\u00ab", '"', "'", "`")
MARGIN = " \t\n*_,;:.\uff0c\u3001\u201c\u201d\u300c\u300d\u300e\u300f\"'"

EXAMPLES = (
    (SENTENCE_END, "3.5 m. Also", "."),
    (CLAUSE_END, "12, porque", ", "),
    (CLAUSE_END, "1, 2", None),
    (QUOTED, "ist $5$", "$5$"),
    (VALUE, "x = 5 km", "x = 5 "),
    (NUMBER, "gana 12 345 al", "12 345"),
    (HAS_VALUE, "(B)", "B"),
    (COMMA, "3,5", "3,5"),
    (COMMA, "1,234", None),
    (POINTS, "1.234,50", "1.234,50"),
    (GROUPS, "1.234.567", "1.234.567"),
    (GROUPS, "1.234", None),
    (BRACKET, "(1,2)", "("),
    (DIGIT, "am 3.", "3"),
    (MORE, "$5$, $6$", ", $"),
    (ASKED, "\u95ee\uff1a1+1", "\u95ee\uff1a"),
)


class Said(NamedTuple):
    """`text`: the value, "" where none is said. `literal`: the words as they stand, where they say more; the same as `text`
    where they make something else of the value, which nobody reads. `is_denied`: it is said not to be it."""

    text: str
    literal: str = ""
    is_denied: bool = False


NOTHING = Said("")


def stated_answers(text: str) -> Iterator[tuple[int, str, str]]:
    """(end, value, literal) of the last statement of each language, unless a later one denies its value."""
    known = [language for stem, language in (ASCII_STEMS if text.isascii() else STEMS) if stem in text]
    for language in dict.fromkeys(known):
        yield from _last(text, list(language.marker.finditer(text)), language.has_comma)
    if ("#" in text or "**" in text or CHINESE in known) and (known or "nswer" in text or "NSWER" in text):
        yield from _last(text, list(HEADING.finditer(text)), False)


def _last(text: str, found: list[re.Match[str]], has_comma: bool) -> Iterator[tuple[int, str, str]]:
    denied: list[str] = []
    for match in found[: -MAX_LOOKED_AT - 1 : -1]:
        said = _read(text, match)
        if said.is_denied:
            denied.append(said.text)
        elif said.text:
            if said.text not in denied:
                is_value = has_comma and said.text != said.literal
                yield match.end() + 1, with_points(said.text) if is_value else said.text, said.literal
            return


def _read(text: str, match: re.Match[str]) -> Said:
    before = text[max(0, match.start() - MAX_BEFORE) : match.start()]
    if IF.search(before) or before.endswith(OPENING):
        return NOTHING
    groups = match.groupdict()
    if groups.get("reply") and ASKED.search(text, 0, match.start()):
        return NOTHING
    rest = text[match.end() : match.end() + MAX_SAID].translate(NARROW).lstrip()
    if follows := FOLLOWS.match(rest):
        rest = rest[follows.end() :].lstrip()
    is_colon = any(groups.get(name) is not None for name in ("colon", "title", "reply")) or match[0].endswith(
        (":", "\uff1a")
    )
    mid = groups.get("mid") or ""
    if instead := NOT_BUT.match(rest) or (BUT.match(rest) if DENIED.search(mid) else None):
        rest, mid = rest[instead.end() :], DENIED.sub("", mid)
    return _said(PERCENT.sub("%", AND.sub(", ", rest)), mid, is_colon)


def _said(rest: str, mid: str, is_colon: bool) -> Said:
    lead = LEAD.match(rest)
    assert lead is not None
    quoted = QUOTED.match(rest, lead.end())
    if quoted and MORE.match(rest, quoted.end()):
        quoted = None  # one of several
    start = quoted.end() if quoted else lead.end()
    end = SENTENCE_END.search(rest, start)
    sentence = rest[start : end.start() if end else len(rest)]
    if "boxed" in (quoted[0] if quoted else "") + sentence or (end and end[0] in "?\uff1f"):
        return NOTHING  # the box decides
    if end and TAKEN_BACK.match(rest, end.end()):
        return NOTHING
    value = VALUE.match(CLAUSE_END.split(sentence, 1)[0])
    assert value is not None
    raw = value[0].rstrip(MARGIN)
    if quoted:
        return _valued(next(filter(None, quoted.groups()[1:])).strip(), sentence, mid)
    if HAS_VALUE.search(raw):
        return _valued(raw.lstrip(MARGIN), sentence[len(raw) :], mid)
    is_whole = end is not None and end[0] in ".!\u3002\uff01" and not rest[end.end() :].strip(" \n*_")
    return _in_words(sentence, mid, is_colon, is_whole)


def _valued(text: str, tail: str, mid: str) -> Said:
    """What a value says together with the words in front of it and behind it."""
    cut = CLAUSE_END.search(tail)
    clause = tail[: cut.start()] if cut else tail
    said_of_it = REASON.split(tail, 1)[0]
    is_wrong = WRONG.search(said_of_it) and not OTHERS.search(said_of_it)
    if DENIED.search(mid) or DENIED.search(clause) or is_wrong:
        return Said(text, is_denied=True)
    if DOUBTED.search(mid) or DOUBTED.search(clause) or CHANGED.search(mid):
        return NOTHING
    if ELSEWHERE.search(mid) or ELSEWHERE.match(clause.lstrip()):
        return NOTHING
    literal = (text + clause).strip(MARGIN)
    is_changed = CHANGED.search(clause) or DIGIT.search(clause)
    return Said(literal, literal) if is_changed else Said(text, literal if literal != text else "")


def _in_words(sentence: str, mid: str, is_colon: bool, is_whole: bool) -> Said:
    """A sentence that begins with words: behind a colon its number, if it has one alone and is the last of all, or the
    words, if few."""
    numbers = list(NUMBER.finditer(sentence))
    if DENIED.search(mid) or DENIED.match(sentence):
        return Said(numbers[0][0] if numbers else "", is_denied=bool(numbers))
    words = sentence.strip(MARGIN)
    if not is_colon:
        return NOTHING
    if 0 < len(words) <= MAX_WORDS and len(words.split()) <= 3 and not numbers:
        return Said(words)
    if not is_whole or len(numbers) != 1:
        return NOTHING
    around = (sentence[: numbers[0].start()], sentence[numbers[0].end() :])
    if any(pattern.search(part) for pattern in (DENIED, WRONG, DOUBTED, STEP, CHANGED) for part in around):
        return NOTHING
    return Said(numbers[0][0], words)


def with_points(value: str) -> str:
    """Decimal commas and grouped thousands as English writes them, where they can be nothing else."""
    if BRACKET.search(value.replace("{,}", "")):
        return value
    value = POINTS.sub(lambda found: found[1].replace(".", "") + "." + found[2], value)
    return COMMA.sub(r"\1.\2", GROUPS.sub(lambda found: found[0].replace(".", ""), value))
