"""Sets of real numbers: intervals, unions, inequalities and set-builder notation, compared as the sets they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath

from ufo_rl.grader.math.formula.expression import NoFormula, Tree, parse
from ufo_rl.grader.math.formula.value import DIGITS, NoValue, Value, as_float, evaluate, same_value, variables
from ufo_rl.grader.math.text.brackets import closes, split

RELATION = re.compile(r"\\le(?![A-Za-z])|\\ge(?![A-Za-z])|\\ne(?![A-Za-z])|<|>|=")
REALS = re.compile(r"\\mathbb\{?R\}?|\\R(?![A-Za-z])")
BUILDER = re.compile(rf"\\\{{[^|:{{}}\\]*(?:\\in ?(?:{REALS.pattern}))?[|:](.*)\\\}}")
FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", r"\ne": r"\ne", "=": "="}
NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\([A-Za-z]\))?'*")
MEMBER = re.compile(rf"(?:{NAME.pattern})?\s*\\in(?![A-Za-z])")


@dataclass(frozen=True)
class Piece:
    """An interval; `low` and `high` are values or infinite, closed where they belong to it."""

    low: Value
    low_closed: bool
    high: Value
    high_closed: bool


def read(text: str) -> list[Piece] | None:
    """The pieces of a normalised text, in order and apart from each other; None if it is no set of real numbers."""
    try:
        with mpmath.workdps(DIGITS):
            return _joined(_set(text))
    except (NoFormula, NoValue):
        return None


def same(a: list[Piece], b: list[Piece]) -> bool:
    return len(a) == len(b) and all(
        x.low_closed == y.low_closed
        and x.high_closed == y.high_closed
        and same_value(x.low, y.low)
        and same_value(x.high, y.high)
        for x, y in zip(a, b, strict=True)
    )


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
        return _without(_joined(_set(whole[0])), _points(whole[1]))
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
    if len(pieces) == len(found) == 2 and len(whole := _joined(found)) == 1 and whole == _joined(_piece(r"\mathbb{R}")):
        low, high = sorted(found, key=lambda piece: piece.high)[::-1]
        found = [Piece(low.low, low.low_closed, high.high, high.high_closed)]
    found = found or _piece(r"\mathbb{R}")
    return _without(_joined(found), [_solved_hole(part) for part in holes]) if holes else found


def _solved_hole(part: str) -> Value:
    left, _, right = part.partition(r"\ne")
    return _solved(left.strip(), _constant(right.strip())) if right else _constant(left)


def _piece(text: str) -> list[Piece]:
    if REALS.fullmatch(text):
        return [Piece(_infinity(-1), False, _infinity(1), False)]
    if match := BUILDER.fullmatch(text):
        return _set(match[1].strip())
    if text.startswith(r"\{") and text.endswith(r"\}"):
        return [Piece(value, True, value, True) for value in _points(text)]
    if text[:1] in "([" and text[-1:] in ")]" and closes(text, 0) == len(text) - 1:
        ends = split(text[1:-1], ",;")
        if len(ends) == 2:
            low, high = (_constant(end) for end in ends)
            if low > high:
                raise NoFormula("no interval, but a pair")
            return [Piece(low, text[0] == "[", high, text[-1] == "]")]
    if RELATION.search(text):
        return _inequality(text)
    raise NoFormula("no set")


def _points(text: str) -> list[Value]:
    if not (text.startswith(r"\{") and text.endswith(r"\}")):
        raise NoFormula("no set of numbers")
    return [_constant(part) for part in split(text[2:-2], ",;")]


def _minus(text: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(.*[)\]}])-(\\\{.*\\\})", text)
    return (match[1], match[2]) if match else None


def _inequality(text: str) -> list[Piece]:
    """A chain such as a <= x < b, or one relation; what stands between is a name, its absolute value, or linear."""
    words, sides = RELATION.findall(text), [side.strip() for side in RELATION.split(text)]
    if len(sides) == 3 and words[0][-1] in "<e" and {words[0], words[1]} <= {"<", r"\le"}:
        return _between(sides[1], _constant(sides[0]), words[0] == r"\le", _constant(sides[2]), words[1] == r"\le")
    if len(sides) == 3 and {words[0], words[1]} <= {">", r"\ge"}:
        return _between(sides[1], _constant(sides[2]), words[1] == r"\ge", _constant(sides[0]), words[0] == r"\ge")
    if len(sides) != 2:
        raise NoFormula("a chain of relations")
    word, (left, right) = words[0], sides
    if not _is_unknown(left):
        word, left, right = FLIPPED[word], right, left
    if not _is_unknown(left):
        raise NoFormula("no unknown")
    if word == "=" and not NAME.fullmatch(left):
        raise NoFormula("an equation")
    bound, closed = _constant(right), word in (r"\le", r"\ge")
    if word == "=":
        return [Piece(bound, True, bound, True)]
    if word == r"\ne":
        whole = [Piece(_infinity(-1), False, _infinity(1), False)]
        return _without(whole, [_solved(left, bound)])
    if word in ("<", r"\le"):
        return _between(left, _infinity(-1), False, bound, closed)
    return _between(left, bound, closed, _infinity(1), False)


def _between(middle: str, low: Value, low_closed: bool, high: Value, high_closed: bool) -> list[Piece]:
    """The unknown of `middle` where that lies between the bounds."""
    if middle.startswith("|") and middle.endswith("|") and NAME.fullmatch(middle[1:-1]):
        inner = [Piece(low, low_closed, high, high_closed)]
        if low <= 0 and not (low == 0 and not low_closed):  # |x| < b is -b < x < b
            return [Piece(-high, high_closed, high, high_closed)]
        return [*inner, Piece(-high, high_closed, -low, low_closed)]
    if NAME.fullmatch(middle):
        return [Piece(low, low_closed, high, high_closed)]
    a, b = _linear(parse(middle))
    low, high = ((end - b) / a if not _is_infinite(end) else end * (1 if a > 0 else -1) for end in (low, high))
    if a < 0:
        low, low_closed, high, high_closed = high, high_closed, low, low_closed
    return [Piece(low, low_closed, high, high_closed)]


def _solved(side: str, bound: Value) -> Value:
    if NAME.fullmatch(side):
        return bound
    a, b = _linear(parse(side))
    return (bound - b) / a


def _linear(tree: Tree) -> tuple[Value, Value]:
    """a and b of a x + b; NoFormula for what is not linear in one unknown."""
    names = variables(tree)
    if len(names) != 1:
        raise NoFormula("no single unknown")
    (name,) = names
    y = [as_float(evaluate(tree, {name: Fraction(x)})) for x in (0, 1, 2)]
    if any(isinstance(value, mpmath.mpc) for value in y):
        raise NoFormula("not real")
    if not same_value(y[2] - y[1], y[1] - y[0]) or same_value(y[1], y[0]):
        raise NoFormula("not linear")
    return y[1] - y[0], y[0]


def _is_unknown(side: str) -> bool:
    if NAME.fullmatch(side) and side not in ("e", "i", r"\pi"):
        return True
    return bool(variables(parse(side)))


def _constant(text: str) -> Value:
    tree = parse(text)
    if variables(tree):
        raise NoFormula("a bound with an unknown")
    value = evaluate(tree, {})
    if isinstance(value, mpmath.mpc):
        raise NoFormula("a bound that is not real")
    return as_float(value)


def _infinity(sign: int) -> Any:
    return mpmath.inf * sign


def _is_infinite(value: Value) -> bool:
    return bool(mpmath.isinf(value))


def _cut(text: str, words: tuple[str, ...]) -> list[str]:
    """Parts of the text between words that stand in no bracket."""
    for word in words:
        pattern = re.escape(word) + (r"(?![A-Za-z])" if word[-1].isalpha() else "")
        marked = re.sub(pattern, "\x00", text)
        parts = split(marked, "\x00")
        if len(parts) > 1:
            return parts
    return [text]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """In order; pieces that overlap or touch made one, empty ones left out."""
    alive = [p for p in pieces if p.low < p.high or (same_value(p.low, p.high) and p.low_closed and p.high_closed)]
    found: list[Piece] = []
    for piece in sorted(alive, key=lambda p: (p.low, not p.low_closed)):
        last = found[-1] if found else None
        if last is not None and (
            piece.low < last.high or (same_value(piece.low, last.high) and (piece.low_closed or last.high_closed))
        ):
            if piece.high > last.high:
                found[-1] = Piece(last.low, last.low_closed, piece.high, piece.high_closed)
            elif same_value(piece.high, last.high):
                found[-1] = Piece(last.low, last.low_closed, last.high, last.high_closed or piece.high_closed)
        else:
            found.append(piece)
    return found


def _without(pieces: list[Piece], holes: list[Value]) -> list[Piece]:
    for hole in holes:
        cut: list[Piece] = []
        for piece in pieces:
            if piece.low <= hole <= piece.high:
                cut += [
                    Piece(piece.low, piece.low_closed, hole, False),
                    Piece(hole, False, piece.high, piece.high_closed),
                ]
            else:
                cut.append(piece)
        pieces = _joined(cut)
    return pieces
