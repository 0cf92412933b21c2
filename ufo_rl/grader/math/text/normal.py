"""One spelling for answers that differ in looks alone: Unicode, LaTeX spacing and fonts, words for signs, thousands."""

from __future__ import annotations

import re
import unicodedata

from ufo_rl.grader.math.text.brackets import closes
from ufo_rl.grader.math.text.habits import HABITS
from ufo_rl.grader.math.text.latex import COMMANDS
from ufo_rl.grader.math.text.layout import LAYOUT
from ufo_rl.grader.math.text.numerals import with_factorials, with_overline, without_thousands
from ufo_rl.grader.math.text.patterns import END, START
from ufo_rl.grader.math.text.rewrite import rewritten, rule
from ufo_rl.grader.math.text.signs import TABLE

# Most answers of GSM8K and DAPO: no rule touches them.
PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# Before the other signs: NFKC would set raised digits on the line, and x² would be x2.
SUPERSCRIPTS = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
SUBSCRIPTS = re.compile(r"[₀₁₂₃₄₅₆₇₈₉₊₋ₙₖ]+")
DELIMITERS = ((r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'), ("'", "'"))
RULES = (*LAYOUT, *COMMANDS, *HABITS)
# A second c would be a variable; one alone at the end of a sum is a constant of integration, C elsewhere.
LONE_C = re.compile(rf"{START}c{END}")
CONSTANT = rule(r"(?:(?<=\+)|(?<=\+ ))c$|(?:^|(?<==)|(?<== ))c(?= ?\+)", "C", "x^2 + c", "x^2 + C")
SPACES = (
    rule(r"(\\[A-Za-z]+) (?![A-Za-z])| (?=\\)", r"\1", r"2 \pi (x)", r"2\pi(x)"),
    rule(r" ?([-+*/^_=<>(){}\[\],;:|!%]) ?", r"\1", "(1, 2) + x", "(1,2)+x"),
)
MAX_WRAPS = 8  # braces around braces that are taken off; each costs a look at the whole text
WRAPPED = re.compile(r"(\\text)?\{")
# What makes the content of \text{..} more than words.
NO_WORDS = re.compile(r"[\d\\(,]|(?<=\{)[A-Z] (?:and|or) [A-Z]\}")

EXAMPLES = (
    (PLAIN_NUMBER, "-12.50", "-12.50"),
    (SUPERSCRIPTS, "x²⁺ⁿ", "²⁺ⁿ"),
    (SUBSCRIPTS, "a₁₀", "₁₀"),
    (LONE_C, "cos x + c", "c"),
    (WRAPPED, r"\text{5}", r"\text{"),
    (NO_WORDS, "{A or B}", "A or B}"),
    (NO_WORDS, "{no solution}", None),
)


def normalise(answer: str) -> str:
    """The answer in one spelling; equal texts are equal answers, different ones need a closer look."""
    return answer if PLAIN_NUMBER.fullmatch(answer) else _normalised(answer)


def _normalised(answer: str) -> str:
    text = SUPERSCRIPTS.sub(lambda found: "^{" + _plain(found[0]) + "}", answer)
    text = SUBSCRIPTS.sub(lambda found: "_{" + _plain(found[0]) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(TABLE)).strip()
    text = rewritten(with_factorials(_without_delimiters(text)), RULES)
    if len(LONE_C.findall(text)) == 1:
        text = CONSTANT.apply(text)
    text = without_thousands(text.strip().rstrip(" .,;:"))
    text = rewritten(text, SPACES).strip()
    text = text.rstrip(".,;:") if not text.endswith(r"\,") else text
    return with_overline(_without_wraps(text))


def _without_delimiters(text: str) -> str:
    for opening, closing in DELIMITERS:
        if text.startswith(opening) and text.endswith(closing) and len(text) >= len(opening + closing):
            inside = text[len(opening) : -len(closing)]
            if opening not in inside:
                text = inside.strip()
    return text


def _without_wraps(text: str) -> str:
    for _ in range(MAX_WRAPS):
        match = WRAPPED.match(text)
        if match is None:
            break
        if closes(text, match.end() - 1) < len(text) - 1 or (match[1] and not NO_WORDS.search(text, match.end())):
            break
        text = without_thousands(text[match.end() : -1].strip())
    return text


def _plain(raised: str) -> str:
    return unicodedata.normalize("NFKC", raised).replace("\u2212", "-")
