"""Sets of real numbers: intervals, unions, inequalities and set-builder notation, read as the sets they are."""

from __future__ import annotations

import re

import mpmath

from ufo_rl.grader.math.formula.expression import NoFormula
from ufo_rl.grader.math.formula.operations import NoValue, Value
from ufo_rl.grader.math.formula.value import DIGITS
from ufo_rl.grader.math.shapes.inequalities import RELATION, UNKNOWN, constant, inequality, solved
from ufo_rl.grader.math.shapes.pieces import REALS, Piece, joined, without
from ufo_rl.grader.math.text.brackets import closes, split

REAL_LINE = re.compile(r"\\mathbb\{?R\}?|\\R(?![A-Za-z])")
BUILDER = re.compile(rf"\\\{{[^|:{{}}\\]*(?:\\in ?(?:{REAL_LINE.pattern}))?[|:](.*)\\\}}")
MEMBER = re.compile(rf"(?:{UNKNOWN.pattern})?\s*\\in(?![A-Za-z])")


def read(text: str) -> list[Piece] | None:
    """The pieces of a normalised text, in order and apart from each other; None if it is no set of real numbers."""
    try:
        with mpmath.workdps(DIGITS):
            return joined(_set(text))
    except (NoFormula, NoValue):
        return None


def _set(text: str) -> list[Piece]:
    if match := MEMBER.match(text):
        text = text[match.end() :].strip()
    parts = _cut(text, (r"\cup", r"\lor", r"\vee", " or ", " \\text{or} "))
    if len(parts) > 1:
        return [piece for part in parts for piece in _set(part)]
    whole = _cut(text, (r"\setminus", r"\backslash"))
    if len(whole) == 1 and (minus := _minus(text)):
        whole = list(minus)
    if len(whole) == 2:
        return without(joined(_set(whole[0])), _points(whole[1]))
    parts = split(text, ",;")
    if len(parts) > 1 and RELATION.search(parts[0]):
        return _listed(parts)
    return _piece(text)


def _listed(parts: list[str]) -> list[Piece]:
    """Relations in a list: those with \\ne cut holes, two half-lines that overlap bound an interval, others are joined."""
    holes = [part for part in parts if r"\ne" in part or not RELATION.search(part)]
    pieces = [_set(part) for part in parts if part not in holes]
    if any(r"\ne" not in part and r"\ne" not in parts[0] for part in holes):
        raise NoFormula("a value beside a relation")
    found = [piece for some in pieces for piece in some]
    if len(pieces) == len(found) == 2 and len(whole := joined(found)) == 1 and whole == joined(_piece(r"\mathbb{R}")):
        low, high = sorted(found, key=lambda piece: piece.high)[::-1]
        found = [Piece(low.low, low.low_closed, high.high, high.high_closed)]
    found = found or _piece(r"\mathbb{R}")
    return without(joined(found), [_hole(part) for part in holes]) if holes else found


def _hole(part: str) -> Value:
    left, _, right = part.partition(r"\ne")
    return solved(left.strip(), constant(right.strip())) if right else constant(left)


def _piece(text: str) -> list[Piece]:
    if REAL_LINE.fullmatch(text):
        return [REALS]
    if match := BUILDER.fullmatch(text):
        return _set(match[1].strip())
    if text.startswith(r"\{") and text.endswith(r"\}"):
        return [Piece(value, True, value, True) for value in _points(text)]
    if text[:1] in "([" and text[-1:] in ")]" and closes(text, 0) == len(text) - 1:
        ends = split(text[1:-1], ",;")
        if len(ends) == 2:
            low, high = (constant(end) for end in ends)
            if low > high:
                raise NoFormula("no interval, but a pair")
            return [Piece(low, text[0] == "[", high, text[-1] == "]")]
    if RELATION.search(text):
        return inequality(text)
    raise NoFormula("no set")


def _points(text: str) -> list[Value]:
    if not (text.startswith(r"\{") and text.endswith(r"\}")):
        raise NoFormula("no set of numbers")
    return [constant(part) for part in split(text[2:-2], ",;")]


def _minus(text: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(.*[)\]}])-(\\\{.*\\\})", text)
    return (match[1], match[2]) if match else None


def _cut(text: str, words: tuple[str, ...]) -> list[str]:
    """Parts of the text between words that stand in no bracket."""
    for word in words:
        pattern = re.escape(word) + (r"(?![A-Za-z])" if word[-1].isalpha() else "")
        marked = re.sub(pattern, "\x00", text)
        parts = split(marked, "\x00")
        if len(parts) > 1:
            return parts
    return [text]
