"""Answers that are exact rationals: integers, decimals, quotients of integers, percentages. Never through floats."""

from __future__ import annotations

import re
from fractions import Fraction

# Up to 4,000 digits: Python refuses to read longer integers, and no answer is that long.
INTEGER = r"\d{1,4000}"
NUMBER = re.compile(rf"(?P<sign>[+-]?)(?P<whole>{INTEGER})?(?:\.(?P<decimals>\d{{0,4000}}))?")
QUOTIENT = re.compile(
    rf"(?P<sign>[+-]?)(?:\\frac\{{(?P<top>-?{INTEGER})\}}\{{(?P<bottom>-?{INTEGER})\}}"
    rf"|(?P<over>{INTEGER})/(?P<under>{INTEGER}))"
)


def same_number(reference: str, answer: str) -> bool | None:
    """Whether two normalised answers are the same rational; None when that is not for exact arithmetic to say.

    A percent sign may stand for hundredths or be left out: `50%` equals `0.5` and `50`, but not `0.5%`. None: one of them is
    no number, or a quotient is compared with a decimal that may be its rounded value (`2/3` and `0.666667`).
    """
    left, right = reference.removesuffix("%"), answer.removesuffix("%")
    x, y = rational(left), rational(right)
    if x is None or y is None:
        return None
    left_percents, right_percents = left != reference, right != answer
    if x == y or (left_percents > right_percents and x == 100 * y) or (left_percents < right_percents and 100 * x == y):
        return True
    num_quotients = sum(QUOTIENT.fullmatch(text) is not None for text in (left, right))
    return None if num_quotients == 1 and "." in left + right else False


def rational(text: str) -> Fraction | None:
    r"""The exact value of a normalised integer, decimal or quotient of integers, None for everything else.

    `-.5` -> -1/2, `\frac{3}{4}` and `3/4` -> 3/4, `025` -> 25. A zero denominator has no value.
    """
    if match := QUOTIENT.fullmatch(text):
        top, bottom = match["top"] or match["over"], match["bottom"] or match["under"]
        if int(bottom) == 0:
            return None
        value = Fraction(int(top), int(bottom))
    elif (match := NUMBER.fullmatch(text)) and (match["whole"] or match["decimals"]):
        decimals = match["decimals"] or ""
        value = Fraction(int((match["whole"] or "") + decimals), 10 ** len(decimals))
    else:
        return None
    return -value if match["sign"] == "-" else value
