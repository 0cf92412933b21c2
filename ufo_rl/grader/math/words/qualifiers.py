"""What may follow a value without changing it: for which numbers a formula holds, and about how large a value is."""

from __future__ import annotations

import re
from typing import Any

import mpmath

from ufo_rl.grader.math.formula.expression import NoFormula, parse
from ufo_rl.grader.math.formula.value import DIGITS, NoValue, as_float, evaluate
from ufo_rl.grader.math.text.brackets import split
from ufo_rl.grader.math.text.numerals import without_thousands

TEXT = re.compile(r"\\text\{([^{}]*)\}")
WHOLE = re.compile(r"[,;(\s]{0,9}(?:\\text\{[^{}]*\})?(?P<whole>[a-z])\\in\\mathbb\{[ZN]\}(?:[_^]\{?[+*]\}?)?\)?$")
QUALIFIER = re.compile(
    r"[,;(\s]{0,9}(?<![a-z])(?:for(?: (?:all|any|every|each|some))?|where|with)(?![a-z])(?P<what>[^=]*)$"
)
AND = re.compile(r"(?<![\\A-Za-z])(?:and|or)(?![A-Za-z])")
RELATION = re.compile(r"\\(?:in|notin|le|ge|ne)(?![A-Za-z])|[<>]")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
NAMES = r"\\?[A-Za-z]+(?:_\{?\w+\}?)?"
KIND = (
    r"(?:(?:an?|any|all|the|some|arbitrary|fixed|given|real|complex|rational|whole|natural|positive|negative|nonnegative"
    r"|non-negative|nonzero|non-zero|odd|even|prime) )*"
    r"(?:integers?|numbers?|constants?|reals?|naturals?|primes?|values?|parameters?|variables?)"
)
STATED = re.compile(rf"(?P<name>{NAMES})|{KIND}(?: of)?(?: {NAMES})?|{NAMES} (?:is|are|being) {KIND}")
BASE = re.compile(r"^(\d+) ?(?:\\text\{)? ?\(? ?(?:in )?base[ -]?(?:\}|\\text\{)? ?(\d+) ?\)? ?\}?$")
APPROXIMATE = re.compile(r"\\approx|\\text\{\(?(?:about|approx)[^{}]*\}?")
UNIT = re.compile(TEXT.pattern + r"(?:\^\{?-?[1-3]\}?)?")
DECIMAL = re.compile(r"(-?\d+(?:\.(\d+))?)(?:\\times10\^\{?(-?\d+)\}?)?(?:%|\^\\circ)?")
NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?|\\angle ?[A-Z]+")


def without_qualifier(text: str) -> str:
    """Without "for all integers n", "where x > 0" and the like at the end; a whole number k may have any name."""
    if match := WHOLE.search(text):
        shorter, name = text[: match.start()], match["whole"]
        return shorter if "k" in shorter else re.sub(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])", "k", shorter)
    flat = " ".join(TEXT.sub(r" \1 ", text).split())
    match = QUALIFIER.search(flat)
    if match is None or not match.start():
        return text
    shorter = flat[: match.start()]
    what = match["what"].strip(" ,")
    return shorter if _is_condition(what[:-1] if what.endswith(")") and "(" not in what else what, shorter) else text


def _is_condition(text: str, formula: str) -> bool:
    """Whether all of it says for which numbers the formula holds; a further value is no condition."""
    held = False
    for part in (part.strip() for some in split(text, ",;") for part in AND.split(some)):
        if RELATION.search(part):
            if WORD.search(re.sub(KIND, "", part)):
                return False
            held = True
        elif stated := STATED.fullmatch(part):
            name = stated["name"]  # "for all x", or the first of several, as in "a, b > 0"
            held = held or not name or bool(re.search(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])", formula))
        else:
            return False
    return held


def with_base(text: str) -> str:
    """`101 (base 2)` as `101_{2}`."""
    return BASE.sub(r"\1_{\2}", text)


def without_approximation(text: str) -> str:
    r"""Without "\approx 1.41" or "(about 1.41)" behind a value that has these digits; "x \approx 5" is "x=5"."""
    first = APPROXIMATE.search(text)
    if first is None or not first.start():
        return text
    exact = text[: first.start()].rstrip(" (")
    rounded = [UNIT.sub("", part).strip(" ()") for part in APPROXIMATE.split(text)[1:]]
    with mpmath.workdps(DIGITS):
        value = _number(UNIT.sub("", exact))
        if value is None and NAME.fullmatch(exact) and first[0] == r"\approx":
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


def _number(text: str) -> Any:
    try:
        value = as_float(evaluate(parse(without_thousands(text)), {}))
    except (NoFormula, NoValue, KeyError):  # KeyError: an unknown
        return None
    return value if isinstance(value, mpmath.mpf) and mpmath.isfinite(value) else None
