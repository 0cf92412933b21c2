"""What the signs and functions of a formula compute, each within limits: nothing here can run long."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath

Value = Any  # Fraction, mpf, mpc; mpf inf
LOST = mpmath.mpf(10) ** -50  # a term this much smaller than another is below what CLOSE tells apart
MAX_BITS = 20_000  # of an exact number
MAX_LOG2 = 10**7  # of any number
MAX_FACTORIAL = 2000  # 19,053 bits
REAL = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")


class NoValue(ArithmeticError):
    """The formula has no value there, or one that is too large to compute."""


class TooLarge(NoValue):
    """A number that nobody could compute within the limits."""


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


BINARY = {
    "+": _add,
    "*": _multiply,
    "/": _divide,
    "^": _power,
    "root": _root,
    "!": _factorial,
    "binom": _binomial,
    "mod": _modulo,
}


def call(name: str, a: Value) -> Value:
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
