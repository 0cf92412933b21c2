"""Numbers in one spelling: thousands, decimals that come round again, a factorial beside an equals sign."""

from __future__ import annotations

import math
import re

# A whole text of digits in groups of three; with a comma alone in front of three it could be a list.
THOUSANDS = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+)((?:\.\d+)?%?)")
# Decimals that come round three times: fewer may be chance.
REPEATING = re.compile(r"(-?\d{0,20}\.\d{0,20}?)(\d{1,6}?)\2{2,60}\\ldots")
# Where "!=" may be a factorial and an equals sign in place of one relation.
FACTORIAL = re.compile(r"(?<![\w.])(\d{1,3})!=")

EXAMPLES = (
    (THOUSANDS, "12,345.6%", "12,345.6%"),
    (THOUSANDS, "3,45", None),
    (REPEATING, r"0.1666\ldots", r"0.1666\ldots"),
    (REPEATING, r"0.166\ldots", None),
    (FACTORIAL, "5!=120", "5!="),
)


def without_thousands(text: str) -> str:
    """1,234.5 and 1 234.5 are 1234.5, if that is all of the text."""
    whole = THOUSANDS.fullmatch(text)
    return whole[1] + re.sub("[, ]", "", whole[2]) + whole[3] if whole else text


def with_overline(text: str) -> str:
    r"""0.1666\ldots is 0.1\overline{6}, if that is all of the text."""
    match = REPEATING.fullmatch(text)
    return rf"{match[1]}\overline{{{match[2]}}}" if match else text


def with_factorials(text: str) -> str:
    """5!=120 as 5! =120; in 5!=6 the two signs are one relation."""
    return FACTORIAL.sub(_factorial, text)


def _factorial(found: re.Match[str]) -> str:
    value, sides = (
        str(math.factorial(int(found[1]))),
        re.findall(r"=\s*(\d+)(?![\d.])", found.string[found.end() - 1 :]),
    )
    return f"{found[1]}! =" if value in sides else found[0]
