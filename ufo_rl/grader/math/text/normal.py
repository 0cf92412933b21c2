"""One spelling for answers that differ in looks alone: Unicode, LaTeX spacing and fonts, words for signs, thousands."""

# ruff: noqa: RUF001  (signs that look alike are what this file is about)
from __future__ import annotations

import math
import re
import unicodedata

VULGAR = {
    **{"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5"},
    **{"⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅐": "1/7", "⅑": "1/9", "⅒": "1/10"},
}
SIGNS = {
    **{
        "−": "-",
        "–": "-",
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "÷": "/",
        "∶": ":",
    },
    **{
        "≤": r"\le ",
        "⩽": r"\le ",
        "≥": r"\ge ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "π": r"\pi ",
        "∞": r"\infty ",
    },
    **{
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "±": r"\pm ",
        "∓": r"\mp ",
        "°": r"^\circ ",
        "√": r"\sqrt ",
        "⁄": "/",
    },
    **{"∅": r"\emptyset ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}"},
    **{"€": "", "£": "", "¥": "", "₹": "", "…": r"\ldots ", "⟨": "(", "⟩": ")", "′": "'", "∣": "|", "∖": r"\setminus "},
    **{
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "\u200b": "",
        "\u2061": "",
        "\ufeff": "",
        "\u00a0": " ",
        "\u202f": " ",
        "º": r"^\circ ",
        "˚": r"^\circ ",
    },
}
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "sigma tau upsilon phi chi psi omega"
)
for _code, _name in zip([*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA)], GREEK.split(), strict=True):
    SIGNS.setdefault(chr(_code), f"\\{_name} ")
TABLE = str.maketrans({**SIGNS, **{sign: f" \\frac{{{f.replace('/', '}{')}}}" for sign, f in VULGAR.items()}})
SUPERSCRIPTS = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
SUBSCRIPTS = re.compile(r"[₀₁₂₃₄₅₆₇₈₉₊₋ₙₖ]+")
FONTS = "operatorname|mathrm|mathit|mathbf|mathsf|mathcal|mathnormal|pmb|bm|boldsymbol|underline"

WORD = r"(?<![A-Za-z\\])"
REPLACED = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"<\|[^|]*\|>|</?[a-z_]{1,15}>\s*$", ""),  # a chat's marks
        (r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])\s*\.?", ""),
        (
            r"\\(?:(?:display|text|script)style|limits|nolimits|large|Large|LARGE|huge|Huge|small|bf|rm|it)(?![A-Za-z])",
            "",
        ),
        (r"\\(?:text)?color\s*\{[^{}]*\}", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        (
            r"(?<=\d)(?:,?\\!|\{\\?, ?\}|,\\!)\s*(?=\d{3})|(?<=\d),\\!\s*(?=\d{3})",
            "",
        ),  # thousands, as LaTeX spaces them
        (r"(?<=\d)\\,(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\[!,;:> ]|\\(?:quad|qquad|thinspace|medspace|space|enspace)(?![A-Za-z])|~", " "),
        (r"\\(?:lbrace)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace)(?![A-Za-z])", r"\\}"),
        (r"\\(?:l|r)?[vV]ert(?![A-Za-z])|\\mid(?![A-Za-z])|\\\|", "|"),
        (r"\\(?:leqslant|leq|leqq)(?![A-Za-z])|<=", r"\\le "),
        (r"\\(?:geqslant|geq|geqq)(?![A-Za-z])|>=", r"\\ge "),
        (r"\\neq(?![A-Za-z])|!=", r"\\ne "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\(?:ast|star)(?![A-Za-z])", "*"),
        (r"(?<=[\w)}])\*\*(?=[\w(])", "^"),
        (r"(?<=\d)[eE]([+-]?\d+)$", r"\\times10^{\1}"),
        (r"\\(?:colon|ratio)(?![A-Za-z])", ":"),
        (
            r"\\(?:degree|degrees)(?![A-Za-z])|\\text\{\s*(?:degrees?|deg)\s*\}|(?<=[\d}) ])degrees?(?![A-Za-z])",
            r"^\\circ ",
        ),
        (r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ", r"^\\circ "),
        (r"\\%|(?<=[\d}) ])(?:percent(?:age)?|pct)(?![A-Za-z])|\\text\{\s*(?:percent|%)\s*\}", "%"),
        (rf"\\(?:{FONTS})\*?\s*\{{([^{{}}]*)\}}", r"\1"),
        (rf"\\(?:{FONTS})(?![A-Za-z])\*?", ""),
        (r"\\(?:dots|cdots|dotsc|dotsb|hdots)(?![A-Za-z])|\.\.\.", r"\\ldots "),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\mathbb ?([A-Z])(?![A-Za-z])", r"\\mathbb{\1}"),
        (r"\\(?:bar|dot|overline)\s*\{?\s*(\d+)\s*\}?", r"\\overline{\1}"),
        (r"\\(?:mbox|textnormal|textbf|textit|textrm|texttt|textsf|hbox|emph)\s*\{", r"\\text{"),
        (r"\\text\s+\{", r"\\text{"),
        (r"\\text\s*\{\s*(?:,?\s*and|,?\s*or|;|,)\s*\}|\\(?:lor|vee)(?![A-Za-z])", " , "),
        (r"\\(?:begin|end)\{(?:aligned|align\*?|gathered|split|equation\*?)\}", ""),
        (r"\\overrightarrow(?![A-Za-z])", r"\\vec"),
        (r"(?<=[\w)])\{\}(?=\^)", ""),
        (r"(?<![A-Za-z\]}])\{([A-Za-z])\}(?=[_^])", r"\1"),
        (r"\{:\}", ":"),
        (r"(?<![A-Za-z\\])C_\{?(\w+)\}?\^\{?(\w+)\}?", r"\\binom{\1}{\2}"),
        (r"^\s*(?:\\text\{\s*)?(?:Rs|USD|EUR|INR|US)\b\.?\s*\}?\s*(?=\\?\$?\s*\d)", ""),
        (r"\\\$|\$", ""),
        (r"\\arc(?:tg|ctg)(?![A-Za-z])", r"\\arctan"),
        (r"\\tg(?![A-Za-z])", r"\\tan"),
        (r"\\ctg(?![A-Za-z])", r"\\cot"),
        (r"\\(?:emptyset|varnothing|O)(?![A-Za-z])", r"\\emptyset "),
        (
            WORD + r"(sqrt|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|ln|log|exp|pi)(?![A-Za-z])",
            r"\\\1 ",
        ),
        (WORD + r"(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty "),
        (r"\+\s*\\infty", r"\\infty"),
        (r"\\\{\s*\\\}", r"\\emptyset "),
        (r"^(\\\{[^:|]*):(?=[^:|]*(?:\\in|\\le|\\ge|[<>=]).*\\\}$)", r"\1|"),
        (r"(?<=\d)\^?\{?(?:\\text\{)?(?:th|st|nd|rd)\}{0,2}$", ""),
        (r"^(\D?\d+) (\d+)/(\d+)$", r"\1\\frac{\2}{\3}"),
        (r"^\((\d+)\)_", r"\1_"),
        (r"\\pmod ?\{?(\w+)\}?|\( ?(?:\\text\{)? ?mod ?\}? ?(\w+) ?\)", r"\\pmod{\1\2}"),
        (r"^(?:\\ell|[A-Za-z])(?:_\{?\w+\}?)?: ?(?=.*=)", ""),
        (r"(?<=\d) to (?=\d)|(?<=\d)\\text\{ ?to ?\}(?=\d)", ":"),
        (r"(?i)(?<=:\d\d)\s*(?:\\text\{)?\s*a\.?m\.?\s*\}?$", " am"),
        (r"(?i)(?<=:\d\d)\s*(?:\\text\{)?\s*p\.?m\.?\s*\}?$", " pm"),
        (r"(?i)^(?:\\text\{)?(?:the )?empty set\}?$", r"\\emptyset"),
        (r"(?i)^(?:\\text\{)?all real(?: number)?s\}?$", r"\\mathbb{R}"),
        (r"\s*\\\\\s*$", ""),
        (r"\s+", " "),
    )
)
COMMAND_SPACE = re.compile(r"(\\[A-Za-z]+) (?![A-Za-z])| (?=\\)")
LOOSE_SPACE = re.compile(r" ?([-+*/^_=<>(){}\[\],;:|!%]) ?")
DELIMITERS = ((r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'), ("'", "'"))
LONE_C = re.compile(r"(?<![A-Za-z\\])c(?![A-Za-z])")
ADDED_C = re.compile(r"(?:(?<=\+)|(?<=\+ ))c$|(?:^|(?<==)|(?<== ))c(?= ?\+)")  # a constant of integration, C elsewhere
WRAPPED = re.compile(r"(\\text)?\{")
MAX_WRAPS = 8  # braces around braces that are taken off; each costs a look at the whole text
NO_WORDS = re.compile(
    r"[\d\\(,]|(?<=\{)[A-Z] (?:and|or) [A-Z]\}"
)  # what makes the content of \text{..} more than words
THOUSANDS = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+)((?:\.\d+)?%?)")
# Decimals that come round three times: 0.333..., 0.1666..., 0.121212...
REPEATING = re.compile(r"(-?\d{0,20}\.\d{0,20}?)(\d{1,6}?)\2{2,60}\\ldots")
FACTORIAL = re.compile(r"(?<![\w.])(\d{1,3})!=")


def normalise(answer: str) -> str:
    """The answer in one spelling; equal texts are equal answers, different ones need a closer look."""
    text = SUPERSCRIPTS.sub(lambda found: "^{" + _plain(found[0]) + "}", answer)
    text = SUBSCRIPTS.sub(lambda found: "_{" + _plain(found[0]) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(TABLE)).strip()
    for opening, closing in DELIMITERS:
        if text.startswith(opening) and text.endswith(closing) and len(text) >= len(opening + closing):
            inside = text[len(opening) : -len(closing)]
            if opening not in inside:
                text = inside.strip()
    text = FACTORIAL.sub(_factorial, text)
    for pattern, new in REPLACED:
        text = pattern.sub(new, text)
    if len(LONE_C.findall(text)) == 1:
        text = ADDED_C.sub("C", text)
    text = without_thousands(text.strip().rstrip(" .,;:"))
    text = LOOSE_SPACE.sub(r"\1", COMMAND_SPACE.sub(lambda found: found[1] or "", text)).strip()
    text = text.rstrip(".,;:") if not text.endswith(r"\,") else text
    for _ in range(MAX_WRAPS):
        match = WRAPPED.match(text)
        if match is None:
            break
        if closes(text, match.end() - 1) < len(text) - 1 or (match[1] and not NO_WORDS.search(text, match.end())):
            break
        text = without_thousands(text[match.end() : -1].strip())
    if match := REPEATING.fullmatch(text):
        text = rf"{match[1]}\overline{{{match[2]}}}"
    return text


def _factorial(found: re.Match[str]) -> str:
    """5!=120 as 5! = 120; in 5!=6 the two signs are one relation."""
    value, sides = (
        str(math.factorial(int(found[1]))),
        re.findall(r"=\s*(\d+)(?![\d.])", found.string[found.end() - 1 :]),
    )
    return f"{found[1]}! =" if value in sides else found[0]


def _plain(raised: str) -> str:
    return unicodedata.normalize("NFKC", raised).replace("\u2212", "-")


def without_thousands(text: str) -> str:
    """1,234.5 and 1 234.5 are 1234.5, if that is all of the text."""
    whole = THOUSANDS.fullmatch(text)
    return whole[1] + re.sub("[, ]", "", whole[2]) + whole[3] if whole else text


def closes(text: str, start: int) -> int:
    r"""Where the bracket at `start` closes; -1 if it does not. Escaped braces `\{` count like any bracket."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
    return -1


def split(text: str, separators: str) -> list[str]:
    """Parts of the text between separators that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign in separators and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [part.strip() for part in (*parts, text[start:])]
