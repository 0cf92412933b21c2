"""Inequalities in one unknown as pieces of the real line."""

from __future__ import annotations

import re
from fractions import Fraction

import mpmath

from ufo_rl.grader.math.formula.expression import NoFormula, Tree, parse
from ufo_rl.grader.math.formula.operations import Value, as_float
from ufo_rl.grader.math.formula.value import evaluate, same_value, variables
from ufo_rl.grader.math.shapes.pieces import REALS, Piece, without
from ufo_rl.grader.math.text.patterns import NAME

RELATION = re.compile(r"\\le(?![A-Za-z])|\\ge(?![A-Za-z])|\\ne(?![A-Za-z])|<|>|=")
FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", r"\ne": r"\ne", "=": "="}
# An unknown may be written as a function of another one, or with primes.
UNKNOWN = re.compile(rf"{NAME}(?:\([A-Za-z]\))?'*")


def inequality(text: str) -> list[Piece]:
    """A chain such as a <= x < b, or one relation; what stands between is a name, its absolute value, or linear."""
    words, sides = RELATION.findall(text), [side.strip() for side in RELATION.split(text)]
    if len(sides) == 3 and words[0][-1] in "<e" and {words[0], words[1]} <= {"<", r"\le"}:
        return _between(sides[1], constant(sides[0]), words[0] == r"\le", constant(sides[2]), words[1] == r"\le")
    if len(sides) == 3 and {words[0], words[1]} <= {">", r"\ge"}:
        return _between(sides[1], constant(sides[2]), words[1] == r"\ge", constant(sides[0]), words[0] == r"\ge")
    if len(sides) != 2:
        raise NoFormula("a chain of relations")
    word, (left, right) = words[0], sides
    if not _is_unknown(left):
        word, left, right = FLIPPED[word], right, left
    if not _is_unknown(left):
        raise NoFormula("no unknown")
    if word == "=" and not UNKNOWN.fullmatch(left):
        raise NoFormula("an equation")
    bound, closed = constant(right), word in (r"\le", r"\ge")
    if word == "=":
        return [Piece(bound, True, bound, True)]
    if word == r"\ne":
        whole = [REALS]
        return without(whole, [solved(left, bound)])
    if word in ("<", r"\le"):
        return _between(left, -mpmath.inf, False, bound, closed)
    return _between(left, bound, closed, mpmath.inf, False)


def _between(middle: str, low: Value, low_closed: bool, high: Value, high_closed: bool) -> list[Piece]:
    """The unknown of `middle` where that lies between the bounds."""
    if middle.startswith("|") and middle.endswith("|") and UNKNOWN.fullmatch(middle[1:-1]):
        inner = [Piece(low, low_closed, high, high_closed)]
        if low <= 0 and not (low == 0 and not low_closed):  # |x| < b is -b < x < b
            return [Piece(-high, high_closed, high, high_closed)]
        return [*inner, Piece(-high, high_closed, -low, low_closed)]
    if UNKNOWN.fullmatch(middle):
        return [Piece(low, low_closed, high, high_closed)]
    a, b = _linear(parse(middle))
    low, high = ((end - b) / a if not mpmath.isinf(end) else end * (1 if a > 0 else -1) for end in (low, high))
    if a < 0:
        low, low_closed, high, high_closed = high, high_closed, low, low_closed
    return [Piece(low, low_closed, high, high_closed)]


def solved(side: str, bound: Value) -> Value:
    if UNKNOWN.fullmatch(side):
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
    if UNKNOWN.fullmatch(side) and side not in ("e", "i", r"\pi"):
        return True
    return bool(variables(parse(side)))


def constant(text: str) -> Value:
    tree = parse(text)
    if variables(tree):
        raise NoFormula("a bound with an unknown")
    value = evaluate(tree, {})
    if isinstance(value, mpmath.mpc):
        raise NoFormula("a bound that is not real")
    return as_float(value)
