"""About how large a value is, said behind it: that much may be left out."""

from __future__ import annotations

import re
from typing import Any

import mpmath

from ufo_rl.grader.math.formula.value import DIGITS, real_number
from ufo_rl.grader.math.text.numerals import without_thousands
from ufo_rl.grader.math.text.patterns import NAME, TEXT

# The sign or the word behind which a rounded value stands.
APPROXIMATE = re.compile(r"\\approx|\\text\{\(?(?:about|approx)[^{}]*\}?")
# Does not matter on either side.
UNIT = re.compile(TEXT.pattern + r"(?:\^\{?-?[1-3]\}?)?")
# Whose last digit can be read off: a power of ten or a percent sign moves it.
DECIMAL = re.compile(r"(-?\d+(?:\.(\d+))?)(?:\\times10\^\{?(-?\d+)\}?)?(?:%|\^\\circ)?")
# "x \approx 5" gives the value itself.
UNKNOWN = re.compile(rf"{NAME}|\\angle ?[A-Z]+")

EXAMPLES = (
    (APPROXIMATE, r"\sqrt{2}\approx1.414", r"\approx"),
    (APPROXIMATE, r"9\text{ (about 18.9 cards)}", None),
    (APPROXIMATE, r"9\text{(about }18.9", r"\text{(about }"),
    (UNIT, r"7\text{ cm}^{2}", r"\text{ cm}^{2}"),
    (DECIMAL, r"3.8\times10^{35}", r"3.8\times10^{35}"),
    (UNKNOWN, r"\angle ABC", r"\angle"),
)


def without_approximation(text: str) -> str:
    r"""Without "\approx 1.41" or "(about 1.41)" behind a value that has these digits; "x \approx 5" is "x=5"."""
    first = APPROXIMATE.search(text)
    if first is None or not first.start():
        return text
    exact = text[: first.start()].rstrip(" (")
    rounded = [UNIT.sub("", part).strip(" ()") for part in APPROXIMATE.split(text)[1:]]
    with mpmath.workdps(DIGITS):
        value = real_number(without_thousands(UNIT.sub("", exact)))
        if value is None and UNKNOWN.fullmatch(exact) and first[0] == r"\approx":
            return f"{exact}={text[first.end() :]}"
        return exact if value is not None and all(_agrees(value, part) for part in rounded) else text


def _agrees(value: Any, rounded: str) -> bool:
    """Whether a decimal is the value to its last digit, which may be off by less than one."""
    match = DECIMAL.fullmatch(without_thousands(rounded))
    if match is None:
        return False
    power = int(match[3] or 0) - 2 * rounded.endswith("%")
    if abs(power) > 400:
        return False
    near = mpmath.mpf(match[1]) * mpmath.mpf(10) ** power
    # models are often off by one in the last of many digits
    return bool(abs(value - near) < mpmath.mpf(10) ** (power - len(match[2] or "")))
