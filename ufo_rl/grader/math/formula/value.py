"""Values of formulas: exact rationals as long as possible, else 100 digits; two formulas are equal where their values are.

Nothing here can run long: powers, factorials and digits are limited, and a formula is read from at most 4,000 characters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction

import mpmath

from ufo_rl.grader.math.formula.expression import NoFormula, Tree, parse
from ufo_rl.grader.math.formula.operations import BINARY, NoValue, TooLarge, Value, as_float, call

DIGITS = 100
CLOSE = mpmath.mpf(10) ** -60  # relative: far above rounding at 100 digits, far below any difference that is meant
MAX_TERMS = 500  # of a sum or product
ENOUGH = 8  # points at which they agree
NEEDED = 3  # points at which two formulas with variables must both have real values
ANGLE = ("sin", "cos", "tan", "cot", "sec", "csc")


def variables(tree: Tree) -> set[str]:
    if tree[0] == "var":
        return {tree[1]}
    names = {name for part in tree[1:] if isinstance(part, tuple) for name in variables(part)}
    return names - {tree[2]} if tree[0] == "series" else names


def uses(tree: Tree, kind: str) -> bool:
    return tree[0] == kind or any(isinstance(part, tuple) and uses(part, kind) for part in tree[1:])


def evaluate(tree: Tree, at: dict[str, Value], in_radians: bool = False) -> Value:
    """The value of a tree at given values of its variables. Raises NoValue.

    A degree counts pi/180 inside sin, cos and their like, and elsewhere 1, or with `in_radians` pi/180.
    """
    with mpmath.workdps(DIGITS):
        try:
            return _exact(_value(tree, at, in_radians))
        except (ZeroDivisionError, ValueError, OverflowError, TypeError) as error:
            raise NoValue(str(error)) from error


def same_value(a: Value, b: Value) -> bool:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a == b
    with mpmath.workdps(DIGITS):
        x, y = as_float(a), as_float(b)
        if mpmath.isinf(x) or mpmath.isinf(y):
            return bool(x == y)
        return bool(abs(x - y) <= CLOSE * max(1, abs(x), abs(y)))


def same_function(a: Tree, b: Tree, in_radians: bool = False) -> bool | None:
    """Whether two formulas agree wherever both have a real value; None if there are too few such points to say."""
    names = sorted(variables(a) | variables(b))
    if not names:
        try:
            return same_value(evaluate(a, {}, in_radians), evaluate(b, {}, in_radians))
        except TooLarge:
            return False  # what cannot be decided within the limits is wrong
        except NoValue:
            return None
    is_complex, agreed = uses(a, "i") or uses(b, "i"), 0
    for point in points(names):
        try:
            x, y = evaluate(a, point, in_radians), evaluate(b, point, in_radians)
        except NoValue:
            continue
        if not is_complex and (isinstance(x, mpmath.mpc) or isinstance(y, mpmath.mpc)):
            continue
        if not same_value(x, y):
            return False
        agreed += 1
        if agreed == ENOUGH:
            break
    return True if agreed >= NEEDED else None


def points(names: list[str]) -> Iterator[dict[str, Fraction]]:
    """Where formulas are compared: positive, signed, whole and large values, the same ones every time."""
    for number in range(20):
        draws = {
            name: int.from_bytes(hashlib.sha256(f"{name}/{number}".encode()).digest()[:4], "big") for name in names
        }
        if number < 8:
            signs = {name: -1 if 4 <= number < 7 and draw & 1 else 1 for name, draw in draws.items()}
            width = (401, 4001) if number < 7 else (4001, 199)
            yield {name: signs[name] * Fraction(draw % 9973 + width[0], width[1]) for name, draw in draws.items()}
        else:  # whole and distinct, in another order each time
            order = sorted(names, key=draws.__getitem__)
            yield {name: Fraction(1 + number % 3 + 2 * place) for place, name in enumerate(order)}


def _value(tree: Tree, at: dict[str, Value], in_radians: bool) -> Value:
    kind = tree[0]
    if kind == "num":
        return tree[1]
    if kind == "var":
        return at[tree[1]]
    if kind in ("pi", "e", "i", "inf"):
        return {"pi": +mpmath.pi, "e": +mpmath.e, "i": mpmath.mpc(0, 1), "inf": mpmath.inf}[kind]
    if kind in ("pm", "mp"):
        raise NoValue("two values")
    if kind == "series":
        return _series(tree, at, in_radians)
    in_radians = in_radians or (kind == "call" and tree[1] in ANGLE)
    parts = [_value(part, at, in_radians) for part in tree[1:] if isinstance(part, tuple)]
    if kind == "neg":
        return -parts[0]
    if kind == "deg":
        return as_float(parts[0]) * mpmath.pi / 180 if in_radians else parts[0]
    if kind == "call":
        return call(tree[1], parts[0])
    return BINARY[kind](*parts)


def _series(tree: Tree, at: dict[str, Value], in_radians: bool) -> Value:
    _, operator, index, start, end, term = tree
    low, high = (_value(bound, at, in_radians) for bound in (start, end))
    if not all(isinstance(bound, Fraction) and bound.denominator == 1 for bound in (low, high)):
        raise NoValue("bounds that are not whole")
    if high - low > MAX_TERMS:
        raise TooLarge("a series")
    total = Fraction(int(operator == "*"))
    for number in range(int(low), int(high) + 1):
        total = BINARY[operator](total, _value(term, {**at, index: Fraction(number)}, in_radians))
    return total


def _exact(a: Value) -> Value:
    """A complex number without an imaginary part is real."""
    if isinstance(a, mpmath.mpc) and abs(a.imag) <= CLOSE * max(1, abs(a.real)):
        a = a.real
    if isinstance(a, mpmath.mpf) and mpmath.isnan(a):
        raise NoValue("no number")
    return a


def real_number(text: str) -> Value | None:
    """The real number that a normalised text is, as a float of 100 digits; None for an unknown, infinity and the like."""
    try:
        value = as_float(evaluate(parse(text), {}))
    except (NoFormula, NoValue, KeyError):  # KeyError: an unknown
        return None
    return value if isinstance(value, mpmath.mpf) and mpmath.isfinite(value) else None
