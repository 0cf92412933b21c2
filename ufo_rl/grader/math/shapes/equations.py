"""Equations: definitions and chains that give a value, and equations that say the same."""

from __future__ import annotations

import re

from ufo_rl.grader.math.formula.agreement import same_equation, same_formula
from ufo_rl.grader.math.formula.expression import NoFormula, parse
from ufo_rl.grader.math.formula.value import variables
from ufo_rl.grader.math.shapes.sequences import Same
from ufo_rl.grader.math.text.brackets import split

INEQUALITIES = ("<", ">", r"\le", r"\ge", r"\ne")
# What may stand in front of "=" without changing the value behind it: x, a_1, f(x), f^{-1}(x), |AB|, \angle ABC, AB.
NAME = re.compile(
    r"\\?[A-Za-z]+(?:_\{?[\w\\]+\}?)?(?:\^\{?(?:-1|(?:\\prime)+)\}?)?'*(?:\([\w,]{1,6}\))?"
    r"|\\text\{(?![^{}]*\b(?:not?|never)\b)[^{}=]*\}(?: ?(?:\\(?:angle|triangle) ?)?[A-Z]{1,4})?|P\(.*\)|E[(\[].*[)\]]"
    r"|\[[A-Z]{3,6}\]|\\(?:overline|hat|widehat|tilde|vec|overarc|overset\{\\frown\})\{[A-Za-z]{1,2}\}|m?\\angle\{[A-Z]{1,3}\}"
    r"|\|[A-Z]{1,2}\||m?\\(?!sqrt)[a-z]+ ?[A-Z]{1,4}|\\(?:sin|cos|tan|cot|arg|log|ln)(?: ?[a-z]|\\[a-z]+)"
)
# The same for a quotient of names: AB:CD, \frac{AB}{CD}, \frac{dy}{dx}.
QUOTIENT = re.compile(
    r"\\frac\{[A-Z]{1,3}\}\{[A-Z]{1,3}\}|\\frac\{d[a-z]\}\{d[a-z]\}|[A-Za-z](?:_\{?\w+\}?)?[:/][A-Za-z](?:_\{?\w+\}?)?"
)
OF_ONE = re.compile(r"([A-Za-z])\(([A-Za-z])\)")
# What makes a side that cannot be read one of an equation to be solved; others, such as a limit, an expectation or a
# product with units, an answer may repeat from its question.
DIFFERENTIAL = re.compile(r"\\(?:prime|nabla|partial|d?dot)(?![A-Za-z])|'")


def same_equations(gold: str, answer: str, same: Same) -> bool | None:
    """Whether two equations, or an equation and a value, say the same; None where neither is an equation."""
    a, b = split(gold, "="), split(answer, "=")
    if len(a) == 1 and len(b) == 1:
        return None
    if "" in (*a, *b):
        return False
    if any(len(split(side, ",;")) > 1 for side in (*a[1:-1], *b[1:-1])):
        return None  # a list of equations
    if any(word in gold + answer for word in INEQUALITIES):
        return None
    if len(a) > 1 and len(b) > 1:
        if _is_name(a[0]) and a[0] == b[0] and (values := (_defined(a), _defined(b))) and None not in values:
            return same(values[0] or "", values[1] or "")
        x, y = OF_ONE.fullmatch(a[0]), OF_ONE.fullmatch(b[0])
        one = x or y
        if one and not (x and y) and {a[0], b[0]} & {"y", one[1]}:  # y = x^2 and f = x^2, too
            return same(a[-1], b[-1])
        if x and y:  # p(t) = t^2 says what f(x) = x^2 says
            if x[2] != y[2] and re.search(rf"(?<![A-Za-z\\]){x[2]}(?![A-Za-z])", b[-1]):
                return False
            return same(a[-1], re.sub(rf"(?<![A-Za-z\\]){y[2]}(?![A-Za-z])", x[2], b[-1]))
        return same_equation(a, b)
    if len(b) == 1:
        value = _defined(a)
        return False if value is None else same(value, b[0]) or same(_repeated(a, value), b[0])
    b = _without_repeated(b)
    value = _defined(b) if _is_name(b[0]) or not _has_unknowns(b[0]) else None
    return False if value is None else same(a[0], value) or same(a[0], _repeated(b, value))


def _repeated(sides: list[str], value: str) -> str:
    """x = y = z = 1 as (1,1,1)."""
    num_names = sum(_is_name(side) for side in sides[:-1])
    return f"({','.join([value] * num_names)})" if num_names > 1 else value


def value_of(text: str) -> str | None:
    """The value that an equation defines (see `_defined`), None for what defines none."""
    sides = split(text, "=")
    return _defined(_without_repeated(sides)) if len(sides) > 1 and "" not in sides else None


def _is_name(side: str) -> bool:
    return bool(NAME.fullmatch(side) or QUOTIENT.fullmatch(side))


def _has_unknowns(side: str) -> bool:
    try:
        return bool(variables(parse(side)))
    except NoFormula:
        return True  # a derivative, an integral: no value that could be checked


def _without_repeated(sides: list[str]) -> list[str]:
    return [side for side in sides[:-1] if not _is_repeated(side)] + sides[-1:]


def _is_repeated(side: str) -> bool:
    """Whether nobody can say what value the side has, and it is no equation's."""
    try:
        parse(side)
    except NoFormula:
        return not _is_name(side) and not DIFFERENTIAL.search(side)
    return False


def _defined(sides: list[str]) -> str | None:
    """The value that a chain such as x = 2, 2 = x, f(x) = y = 3 or 5 + 5 = 10 ends in; None where it is an equation."""
    while len(sides) > 1 and _is_name(sides[0]):
        sides = sides[1:]
    if len(sides) == 1:
        return sides[-1]
    if len(sides) == 2 and _is_name(sides[1]):
        return None if _has_unknowns(sides[0]) else sides[0]
    if any(_has_unknowns(side) for side in sides):
        return None
    return sides[-1] if all(same_formula(side, sides[-1]) for side in sides[:-1]) else None
