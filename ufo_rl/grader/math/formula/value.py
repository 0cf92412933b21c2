"""Values of formulas: exact rationals as long as possible, else 100 digits; two formulas are equal where their values are.

Nothing here can run long: powers, factorials and digits are limited, and a formula is read from at most 4,000 characters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath

from ufo_rl.grader.math.formula.expression import Tree

Value = Any  # Fraction, mpf, mpc; mpf inf
DIGITS = 100
CLOSE = mpmath.mpf(10) ** -60  # relative: far above rounding at 100 digits, far below any difference that is meant
LOST = mpmath.mpf(10) ** -50  # a term this much smaller than another is below what CLOSE tells apart
MAX_BITS = 20_000  # of an exact number
MAX_LOG2 = 10**7  # of any number
MAX_FACTORIAL = 2000  # 19,053 bits
MAX_TERMS = 500  # of a sum or product
ENOUGH = 8  # points at which they agree
NEEDED = 3  # points at which two formulas with variables must both have real values
ANGLE = ("sin", "cos", "tan", "cot", "sec", "csc")
REAL = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")


class NoValue(ArithmeticError):
    """The formula has no value there, or one that is too large to compute."""


class TooLarge(NoValue):
    """A number that nobody could compute within the limits."""


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
        return _call(tree[1], parts[0])
    return _BINARY[kind](*parts)


def _series(tree: Tree, at: dict[str, Value], in_radians: bool) -> Value:
    _, operator, index, start, end, term = tree
    low, high = (_value(bound, at, in_radians) for bound in (start, end))
    if not all(isinstance(bound, Fraction) and bound.denominator == 1 for bound in (low, high)):
        raise NoValue("bounds that are not whole")
    if high - low > MAX_TERMS:
        raise TooLarge("a series")
    total = Fraction(int(operator == "*"))
    for number in range(int(low), int(high) + 1):
        total = _BINARY[operator](total, _value(term, {**at, index: Fraction(number)}, in_radians))
    return total


def _both(a: Value, b: Value) -> tuple[Value, Value]:
    return (a, b) if isinstance(a, Fraction) and isinstance(b, Fraction) else (as_float(a), as_float(b))


def _add(a: Value, b: Value) -> Value:
    a, b = _both(a, b)
    if a and b and not isinstance(a, Fraction) and not mpmath.isinf(a) and not mpmath.isinf(b):
        large, small = max(abs(a), abs(b)), min(abs(a), abs(b))
        if small < large * LOST:
            raise NoValue("the smaller number would be lost in rounding")
    return _small(a + b)


def _multiply(a: Value, b: Value) -> Value:
    a, b = _both(a, b)
    return _small(a * b)


def _divide(a: Value, b: Value) -> Value:
    a, b = _both(a, b)
    if b == 0:
        raise NoValue("division by zero")
    return _small(a / b)


def _power(a: Value, b: Value) -> Value:
    if a == 0:
        if isinstance(b, Fraction) and b >= 0:
            return Fraction(int(b == 0))
        raise NoValue("a power of zero")
    if isinstance(a, Fraction) and isinstance(b, Fraction) and b.denominator == 1:
        bits = max(a.numerator.bit_length(), a.denominator.bit_length())
        if bits * abs(b.numerator) <= MAX_BITS:
            return a**b.numerator
    x, y = as_float(a), as_float(b)
    if abs(y) * abs(mpmath.log(abs(x), 2)) > MAX_LOG2:
        raise TooLarge("too large")
    return mpmath.power(x, y)


def _root(a: Value, n: Value) -> Value:
    if isinstance(n, Fraction) and n.denominator == 1 and n.numerator % 2 and not isinstance(a, mpmath.mpc) and a < 0:
        return -mpmath.root(as_float(-a), n.numerator)  # the real root, as school has it
    return _power(a, _divide(Fraction(1), n))


def _factorial(a: Value) -> Value:
    if not (isinstance(a, Fraction) and a.denominator == 1 and a >= 0):
        raise NoValue("a factorial of no whole number")
    if a > MAX_FACTORIAL:
        raise TooLarge("a factorial")
    return Fraction(math.factorial(a.numerator))


def _binomial(n: Value, k: Value) -> Value:
    if not all(isinstance(x, Fraction) and x.denominator == 1 and x >= 0 for x in (n, k)):
        raise NoValue("a binomial of no whole numbers")
    chosen = max(0, min(k, n - k))  # the same number, and no more than 2^n or n^chosen
    if min(n, chosen * n.numerator.bit_length()) > MAX_BITS:
        raise TooLarge("a binomial")
    return Fraction(math.comb(n.numerator, k.numerator))


def _modulo(a: Value, b: Value) -> Value:
    if not (isinstance(a, Fraction) and isinstance(b, Fraction)) or b == 0:
        raise NoValue("a remainder of no rational numbers")
    return a % b


_BINARY = {
    "+": _add,
    "*": _multiply,
    "/": _divide,
    "^": _power,
    "root": _root,
    "!": _factorial,
    "binom": _binomial,
    "mod": _modulo,
}


def _call(name: str, a: Value) -> Value:
    if name == "abs":
        return abs(a)
    if name in ("floor", "ceil"):
        if isinstance(a, mpmath.mpc):
            raise NoValue("no real number to round")
        if abs(as_float(a)) > mpmath.mpf(2) ** MAX_BITS:
            raise NoValue("too large")
        return Fraction(int(mpmath.floor(as_float(a)) if name == "floor" else mpmath.ceil(as_float(a))))
    if name == "sqrt":
        if isinstance(a, Fraction) and a >= 0:
            top, bottom = math.isqrt(a.numerator), math.isqrt(a.denominator)
            if top * top == a.numerator and bottom * bottom == a.denominator:
                return Fraction(top, bottom)
        return mpmath.sqrt(as_float(a))
    x = as_float(a)
    if name in REAL and abs(x) > 10**6:
        raise TooLarge("too large")
    if name in ("ln", "log", "lg"):
        if x == 0:
            raise NoValue("a logarithm of zero")
        return mpmath.log(x, 10) if name == "lg" else mpmath.log(x)
    function = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}.get(name, name)
    return getattr(mpmath, function)(x)


def as_float(a: Value) -> Value:
    return mpmath.mpf(a.numerator) / a.denominator if isinstance(a, Fraction) else a


def _small(a: Value) -> Value:
    """An exact number with too many digits goes on as a float."""
    if isinstance(a, Fraction) and max(a.numerator.bit_length(), a.denominator.bit_length()) > MAX_BITS * 4:
        return as_float(a)
    return a


def _exact(a: Value) -> Value:
    """A complex number without an imaginary part is real."""
    if isinstance(a, mpmath.mpc) and abs(a.imag) <= CLOSE * max(1, abs(a.real)):
        a = a.real
    if isinstance(a, mpmath.mpf) and mpmath.isnan(a):
        raise NoValue("no number")
    return a
