r"""Rules that choose one of several LaTeX commands, or of a command and its plain sign: `\leq` and `<=` are `\le`."""

from __future__ import annotations

from ufo_rl.grader.math.text.patterns import END
from ufo_rl.grader.math.text.rewrite import rule

FONTS = "operatorname|mathrm|mathit|mathbf|mathsf|mathcal|mathnormal|pmb|bm|boldsymbol|underline"

SIGNS = (
    rule(rf"\\(?:lbrace){END}", r"\\{", r"\lbrace 1, 2", r"\{ 1, 2"),
    rule(rf"\\(?:rbrace){END}", r"\\}", r"1, 2 \rbrace", r"1, 2 \}"),
    rule(rf"\\(?:l|r)?[vV]ert{END}|\\mid{END}|\\\|", "|", r"\lvert x\rvert", "| x|"),
    rule(rf"\\(?:leqslant|leq|leqq){END}|<=", r"\\le ", r"x\leq 3", r"x\le  3"),
    rule(rf"\\(?:geqslant|geq|geqq){END}|>=", r"\\ge ", "x>=3", r"x\ge 3"),
    rule(rf"\\neq{END}|!=", r"\\ne ", "x!=3", r"x\ne 3"),
    rule(rf"\\lt{END}", "<", r"x\lt 3", "x< 3"),
    rule(rf"\\gt{END}", ">", r"x\gt 3", "x> 3"),
    rule(rf"\\(?:ast|star){END}", "*", r"2\ast 3", "2* 3"),
    rule(r"(?<=[\w)}])\*\*(?=[\w(])", "^", "x**2", "x^2"),
    rule(r"(?<=\d)[eE]([+-]?\d+)$", r"\\times10^{\1}", "3.8e-35", r"3.8\times10^{-35}"),
    rule(rf"\\(?:colon|ratio){END}", ":", r"1\colon 2", "1: 2"),
)

UNITS = (
    rule(
        r"\\(?:degree|degrees)(?![A-Za-z])|\\text\{\s*(?:degrees?|deg)\s*\}|(?<=[\d}) ])degrees?(?![A-Za-z])",
        r"^\\circ ",
        "90 degrees",
        r"90 ^\circ ",
    ),
    rule(r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ", r"^\\circ ", r"90^{\circ}", r"90^\circ "),
    rule(
        r"\\%|(?<=[\d}) ])(?:percent(?:age)?|pct)(?![A-Za-z])|\\text\{\s*(?:percent|%)\s*\}",
        "%",
        r"28\% or 28 percent",
        "28% or 28 %",
    ),
)

WORDS = (
    rule(rf"\\(?:{FONTS})\*?\s*\{{([^{{}}]*)\}}", r"\1", r"\mathrm{cm}", "cm"),
    rule(rf"\\(?:{FONTS}){END}\*?", "", r"\mathbf x", " x"),
    rule(rf"\\(?:dots|cdots|dotsc|dotsb|hdots){END}|\.\.\.", r"\\ldots ", "0.333...", r"0.333\ldots "),
    rule(rf"\\langle{END}", "(", r"\langle 1,2", "( 1,2"),
    rule(rf"\\rangle{END}", ")", r"1,2\rangle", "1,2)"),
    rule(r"\\mathbb ?([A-Z])(?![A-Za-z])", r"\\mathbb{\1}", r"\mathbb R", r"\mathbb{R}"),
    rule(r"\\(?:bar|dot|overline)\s*\{?\s*(\d+)\s*\}?", r"\\overline{\1}", r"0.\bar 3", r"0.\overline{3}"),
    rule(
        r"\\(?:mbox|textnormal|textbf|textit|textrm|texttt|textsf|hbox|emph)\s*\{",
        r"\\text{",
        r"5\mbox{ cm}",
        r"5\text{ cm}",
    ),
    rule(r"\\text\s+\{", r"\\text{", r"\text {cm}", r"\text{cm}"),
    rule(
        r"\\text\s*\{\s*(?:,?\s*and|,?\s*or|;|,)\s*\}|\\(?:lor|vee)(?![A-Za-z])",
        " , ",
        r"1\text{ and }2",
        "1 , 2",
    ),
    rule(r"\\(?:begin|end)\{(?:aligned|align\*?|gathered|split|equation\*?)\}", "", r"\begin{align*}x", "x"),
    rule(rf"\\overrightarrow{END}", r"\\vec", r"\overrightarrow{AB}", r"\vec{AB}"),
)

COMMANDS = (*SIGNS, *UNITS, *WORDS)
