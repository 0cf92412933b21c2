"""Numbers that are nearly equal: for benchmarks of measured values, and only when asked for."""

from __future__ import annotations

import mpmath

from ufo_rl.grader.math.formula.value import DIGITS, real_number
from ufo_rl.grader.math.shapes.equations import value_of
from ufo_rl.grader.math.text.normal import normalise
from ufo_rl.grader.math.words.units import without_words


def nearly_same(gold: str, answer: str, relative_tolerance: float) -> bool:
    """Whether both are real numbers and |gold - answer| <= relative_tolerance * |gold|.

    Units and a name in front ("x =") do not matter, and a percent sign that only one of them has may be left out.
    """
    texts = _bare(gold), _bare(answer)
    with mpmath.workdps(DIGITS):
        x, y = (real_number(text) for text in texts)
        if x is None or y is None:
            return False
        factor = 100 ** (texts[0].endswith("%") - texts[1].endswith("%"))
        bound = abs(x) * mpmath.mpf(relative_tolerance)
        return bool(abs(x - y) <= bound or abs(x * factor - y) <= bound * factor)


def _bare(text: str) -> str:
    text = normalise(text)
    text = value_of(text) or text
    return without_words(text, "0")
