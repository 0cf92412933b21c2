"""Rules that take away how LaTeX sets an answer: sizes, styles, spaces."""

from __future__ import annotations

from ufo_rl.grader.math.text.patterns import END
from ufo_rl.grader.math.text.rewrite import rule

LAYOUT = (
    rule(r"<\|[^|]*\|>|</?[a-z_]{1,15}>\s*$", "", "7<|im_end|>", "7"),
    rule(rf"\\(?:left|right|[bB]igg?[lr]?){END}\s*\.?", "", r"\left(1, 2\right]", "(1, 2]"),
    rule(
        rf"\\(?:(?:display|text|script)style|limits|nolimits|large|Large|LARGE|huge|Huge|small|bf|rm|it){END}",
        "",
        r"\displaystyle\sum\limits_{k=1}^n k",
        r"\sum_{k=1}^n k",
    ),
    rule(r"\\(?:text)?color\s*\{[^{}]*\}", "", r"{\color{red}7}", "{7}"),
    rule(rf"\\[dtc]frac{END}", r"\\frac", r"\dfrac{1}{2}", r"\frac{1}{2}"),
    rule(rf"\\[dt]binom{END}", r"\\binom", r"\dbinom{n}{2}", r"\binom{n}{2}"),
    # Thousands, as LaTeX spaces them: before the spaces go, which would make two numbers of one.
    rule(
        r"(?<=\d)(?:,?\\!|\{\\?, ?\}|,\\!)\s*(?=\d{3})|(?<=\d),\\!\s*(?=\d{3})",
        "",
        r"14{,}916 and 10,\!000",
        "14916 and 10000",
    ),
    rule(r"(?<=\d)\\,(?=\d{3}(?!\d))", "", r"12\,345", "12345"),
    rule(
        r"(?<!\\)\\[!,;:> ]|\\(?:quad|qquad|thinspace|medspace|space|enspace)(?![A-Za-z])|~",
        " ",
        r"1,\quad 2~m",
        "1,  2 m",
    ),
)
