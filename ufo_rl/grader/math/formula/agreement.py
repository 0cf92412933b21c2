"""Whether two formulas or two equations say the same; percent signs and rounded decimals among them."""

from __future__ import annotations

import mpmath

from ufo_rl.grader.math.formula.decimals import DECIMAL, stands_for
from ufo_rl.grader.math.formula.expression import NoFormula, parse
from ufo_rl.grader.math.formula.value import (
    NoValue,
    Value,
    evaluate,
    points,
    same_function,
    same_value,
    uses,
    variables,
)


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
        try:
            x, y = evaluate(a, {}), evaluate(b, {})
        except NoValue:
            return False
        return _percent(gold, answer, x, y) or _is_rounded(gold, answer, x, y)
    return verdict


def _percent(gold: str, answer: str, x: Value, y: Value) -> bool:
    """A percent sign that only one of them has may be left out."""
    if gold.endswith("%") == answer.endswith("%"):
        return False
    return same_value(x * 100, y) if gold.endswith("%") else same_value(x, y * 100)


def _is_rounded(gold: str, answer: str, x: Value, y: Value) -> bool:
    """Whether one is a decimal that stands for the other (see `decimals.py`), which is none."""
    if bool(DECIMAL.fullmatch(gold)) == bool(DECIMAL.fullmatch(answer)):
        return False
    decimal, other, value = (gold, answer, y) if DECIMAL.fullmatch(gold) else (answer, gold, x)
    return stands_for(decimal, value * 100 if decimal.endswith("%") or other.endswith("%") else value)


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
