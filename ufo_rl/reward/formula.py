"""Whether two formulas or two equations say the same; percent signs and rounded decimals among them."""

from __future__ import annotations

import re
from fractions import Fraction

import mpmath

from ufo_rl.reward.expression import NoFormula, Tree, parse
from ufo_rl.reward.value import NoValue, as_float, evaluate, points, same_function, same_value, uses, variables

SIGNIFICANT = 6  # decimals that a rounded value must have to stand for an exact one


def same_formula(gold: str, answer: str) -> bool | None:
    """Both normalised; None where one is no formula, or has too few values to compare."""
    try:
        a, b = parse(gold), parse(answer)
    except NoFormula:
        return None
    verdict = same_function(a, b)
    if verdict is False and (uses(a, "deg") or uses(b, "deg")):
        verdict = same_function(a, b, in_radians=True)
    if verdict is False and not variables(a) and not variables(b):
        verdict = _percent(gold, answer, a, b) or _rounded(gold, a, b, answer)
    return verdict


def _percent(gold: str, answer: str, a: Tree, b: Tree) -> bool:
    """A percent sign that only one of them has may be left out."""
    if gold.endswith("%") == answer.endswith("%"):
        return False
    try:
        x, y = evaluate(a, {}), evaluate(b, {})
    except NoValue:
        return False
    return same_value(x * 100, y) if gold.endswith("%") else same_value(x, y * 100)


def _rounded(gold: str, a: Tree, b: Tree, answer: str) -> bool:
    """An exact value and its decimals, rounded or cut, at least six of them."""
    decimals = {text: re.fullmatch(r"-?\d*\.(\d+)%?", text) for text in (gold, answer)}
    if (decimals[gold] is None) == (decimals[answer] is None):
        return False
    short = decimals[gold] or decimals[answer]
    assert short is not None
    places = len(short[1])
    try:
        x, y = evaluate(a, {}), evaluate(b, {})
    except NoValue:
        return False
    if places < SIGNIFICANT or isinstance(x, mpmath.mpc) or isinstance(y, mpmath.mpc):
        return False
    distance = abs(x - y) if isinstance(x, Fraction) and isinstance(y, Fraction) else abs(as_float(x) - as_float(y))
    return (
        bool(distance <= Fraction(1, 10**places))
        if isinstance(distance, Fraction)
        else bool(distance <= mpmath.mpf(10) ** -places)
    )


def same_equation(a: list[str], b: list[str]) -> bool | None:
    """Two equations with the same solutions, as far as one is a multiple of the other."""
    if len(a) != 2 or len(b) != 2:
        return None
    try:
        left, right = (("+", parse(x), ("neg", parse(y))) for x, y in (a, b))
    except NoFormula:
        return None
    names, ratio, agreed = sorted(variables(left) | variables(right)), None, 0
    for point in points(names):
        try:
            x, y = evaluate(left, point), evaluate(right, point)
            if isinstance(x, mpmath.mpc) or isinstance(y, mpmath.mpc) or x == 0 or y == 0:
                continue
            here = evaluate(("/", ("var", "x"), ("var", "y")), {"x": x, "y": y})
        except NoValue:
            continue
        if ratio is not None and not same_value(ratio, here):
            return False
        ratio, agreed = here, agreed + 1
    return True if agreed >= 3 else None
