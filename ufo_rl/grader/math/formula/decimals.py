"""Decimals that stand for exact values: 0.333333 for 1/3, but not 0.500001 for 1/2."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import mpmath

from ufo_rl.grader.math.formula.operations import Value, as_float
from ufo_rl.grader.math.formula.value import DIGITS

DECIMAL = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d*)\.(?P<decimals>\d+)(?P<percent>%?)")
# Decimals that a rounded value must have, and significant digits. Fewer are a measured value, not an exact one.
PLACES = SIGNIFICANT = 6
WRITTEN = 12  # a value of at most so many significant digits can be written out, and then must be
MAX_PLACES = 60  # of a value of 100 digits; what agrees so far is equal
WHOLE = mpmath.mpf(10) ** -40  # nearer to a whole number than this is one that was computed with 100 digits
FLOATS = (1e-300, 1e300)  # sizes whose floats have all their digits


def stands_for(decimal: str, value: Value) -> bool:
    """Whether a decimal (any percent sign left out) is the real `value`, or that value rounded or cut.

    A value that ends, such as 1/2 or 35/64, has one decimal. One that does not, such as 1/3 or pi, may be given by
    six places and six significant digits, all of them right, or as programs print the nearest float.
    """
    match = DECIMAL.fullmatch(decimal)
    if match is None or isinstance(value, mpmath.mpc):
        return False
    places, digits = len(match["decimals"]), int(match["whole"] + match["decimals"])
    given = Fraction(digits if match["sign"] != "-" else -digits, 10**places)
    if isinstance(value, Fraction) and value == given:
        return True
    if places < PLACES or places > MAX_PLACES or digits < 10 ** (SIGNIFICANT - 1) or (value < 0) != (given < 0):
        return False
    with mpmath.workdps(DIGITS):
        size = abs(as_float(value))
        if not 0 < size < mpmath.inf:
            return False
        exponent = int(mpmath.floor(mpmath.log10(size)))
        if _is_whole(value, places) or _is_whole(value, WRITTEN - 1 - exponent):
            return False
        if FLOATS[0] < size < FLOATS[1] and given == Fraction(repr(float(value))):
            return True
        scaled = _scaled(abs(value), places)
        cut = scaled.__floor__() if isinstance(scaled, Fraction) else int(mpmath.floor(scaled))
        return digits == cut or (digits == cut + 1 and 2 * (scaled - cut) >= 1)


def from_sympy(expression: Any) -> Value | None:
    """The real value of a sympy expression, exact or with 100 digits; None where it has none."""
    if not expression.is_number:
        return None
    value = expression.doit()
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    value = value.evalf(DIGITS)
    if not (value.is_Float and value.is_finite):
        return None
    with mpmath.workdps(DIGITS):
        return mpmath.mpf(str(value))


def _scaled(value: Value, places: int) -> Value:
    return value * Fraction(10) ** places if isinstance(value, Fraction) else value * mpmath.mpf(10) ** places


def _is_whole(value: Value, places: int) -> bool:
    """Whether the value ends at that place."""
    scaled = _scaled(value, places)
    if isinstance(scaled, Fraction):
        return scaled.denominator == 1
    return bool(abs(scaled - mpmath.nint(scaled)) < WHOLE * max(1, abs(scaled)))
