"""Rules for what people and programs write in place of LaTeX: plain words, currencies, ordinals, times of day."""

from __future__ import annotations

from ufo_rl.grader.math.text.patterns import END, START
from ufo_rl.grader.math.text.rewrite import rule

BRACES = (
    rule(r"(?<=[\w)])\{\}(?=\^)", "", "x{}^2", "x^2"),
    rule(r"(?<![A-Za-z\]}])\{([A-Za-z])\}(?=[_^])", r"\1", "{x}^2", "x^2"),
    rule(r"\{:\}", ":", "1{:}2", "1:2"),
    rule(r"(?<![A-Za-z\\])C_\{?(\w+)\}?\^\{?(\w+)\}?", r"\\binom{\1}{\2}", "C_{5}^{2}", r"\binom{5}{2}"),
)

MONEY = (
    rule(r"^\s*(?:\\text\{\s*)?(?:Rs|USD|EUR|INR|US)\b\.?\s*\}?\s*(?=\\?\$?\s*\d)", "", "Rs. 50", "50"),
    rule(r"\\\$|\$", "", r"\$18", "18"),
)

FUNCTIONS = (
    rule(rf"\\arc(?:tg|ctg){END}", r"\\arctan", r"\arctg x", r"\arctan x"),
    rule(rf"\\tg{END}", r"\\tan", r"\tg x", r"\tan x"),
    rule(rf"\\ctg{END}", r"\\cot", r"\ctg x", r"\cot x"),
    rule(rf"\\(?:emptyset|varnothing|O){END}", r"\\emptyset ", r"\varnothing", r"\emptyset "),
    rule(
        rf"{START}(sqrt|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|ln|log|exp|pi){END}",
        r"\\\1 ",
        "2sqrt(3)",
        r"2\sqrt (3)",
    ),
    rule(rf"{START}(?:infinity|inf|oo){END}", r"\\infty ", "(0, inf)", r"(0, \infty )"),
    rule(r"\+\s*\\infty", r"\\infty", r"(0, +\infty)", r"(0, \infty)"),
)

FORMS = (
    rule(r"\\\{\s*\\\}", r"\\emptyset ", r"\{ \}", r"\emptyset "),
    rule(r"^(\\\{[^:|]*):(?=[^:|]*(?:\\in|\\le|\\ge|[<>=]).*\\\}$)", r"\1|", r"\{x : x > 0\}", r"\{x | x > 0\}"),
    rule(r"(?<=\d)\^?\{?(?:\\text\{)?(?:th|st|nd|rd)\}{0,2}$", "", r"12^{\text{th}}", "12"),
    rule(r"^(\D?\d+) (\d+)/(\d+)$", r"\1\\frac{\2}{\3}", "1 3/4", r"1\frac{3}{4}"),
    rule(r"^\((\d+)\)_", r"\1_", "(101)_2", "101_2"),
    rule(
        r"\\pmod ?\{?(\w+)\}?|\( ?(?:\\text\{)? ?mod ?\}? ?(\w+) ?\)",
        r"\\pmod{\1\2}",
        "x=3 (mod 7)",
        r"x=3 \pmod{7}",
    ),
    rule(r"^(?:\\ell|[A-Za-z])(?:_\{?\w+\}?)?: ?(?=.*=)", "", "l_1: y=2x", "y=2x"),
    rule(r"(?<=\d) to (?=\d)|(?<=\d)\\text\{ ?to ?\}(?=\d)", ":", "3 to 2", "3:2"),
    rule(r"(?i)(?<=:\d\d)\s*(?:\\text\{)?\s*a\.?m\.?\s*\}?$", " am", r"10:30\text{ A.M.}", "10:30 am"),
    rule(r"(?i)(?<=:\d\d)\s*(?:\\text\{)?\s*p\.?m\.?\s*\}?$", " pm", "4:05PM", "4:05 pm"),
    rule(r"(?i)^(?:\\text\{)?(?:the )?empty set\}?$", r"\\emptyset", "the empty set", r"\emptyset"),
    rule(r"(?i)^(?:\\text\{)?all real(?: number)?s\}?$", r"\\mathbb{R}", "all real numbers", r"\mathbb{R}"),
    rule(r"\s*\\\\\s*$", "", r"7 \\", "7"),
    rule(r"\s+", " ", "1,   2", "1, 2"),
)

HABITS = (*BRACES, *MONEY, *FUNCTIONS, *FORMS)
