"""What may follow a value without changing it: for which numbers a formula holds, and in which base it is written."""

from __future__ import annotations

import re

from ufo_rl.grader.math.text.brackets import split
from ufo_rl.grader.math.text.patterns import END, NAME, START, TEXT
from ufo_rl.grader.math.text.rewrite import rule

# "k \in Z" at the end: k is any whole number, whatever its name.
WHOLE = re.compile(r"[,;(\s]{0,9}(?:\\text\{[^{}]*\})?(?P<whole>[a-z])\\in\\mathbb\{[ZN]\}(?:[_^]\{?[+*]\}?)?\)?$")
# Where a condition may begin; an equation behind it would be a value.
QUALIFIER = re.compile(
    r"[,;(\s]{0,9}(?<![a-z])(?:for(?: (?:all|any|every|each|some))?|where|with)(?![a-z])(?P<what>[^=]*)$"
)
# Several conditions in one.
AND = re.compile(rf"{START}(?:and|or){END}")
# Makes a part a condition, unless words stand in it.
RELATION = re.compile(r"\\(?:in|notin|le|ge|ne)(?![A-Za-z])|[<>]")
WORD = re.compile(rf"{START}[A-Za-z]{{2,}}")
KIND = (
    r"(?:(?:an?|any|all|the|some|arbitrary|fixed|given|real|complex|rational|whole|natural|positive|negative|nonnegative"
    r"|non-negative|nonzero|non-zero|odd|even|prime) )*"
    r"(?:integers?|numbers?|constants?|reals?|naturals?|primes?|values?|parameters?|variables?)"
)
# What an unknown is said to be, or the unknown alone.
STATED = re.compile(rf"(?P<name>{NAME})|{KIND}(?: of)?(?: {NAME})?|{NAME} (?:is|are|being) {KIND}")
BASE = rule(
    r"^(\d+) ?(?:\\text\{)? ?\(? ?(?:in )?base[ -]?(?:\}|\\text\{)? ?(\d+) ?\)? ?\}?$",
    r"\1_{\2}",
    "101 (base 2)",
    "101_{2}",
)

EXAMPLES = (
    (WHOLE, r"k\pi, k\in\mathbb{Z}", r", k\in\mathbb{Z}"),
    (QUALIFIER, "x+1 for all x > 0", " for all x > 0"),
    (QUALIFIER, "x+1 for y = 2", None),
    (AND, "a and b", "and"),
    (AND, "sand", None),
    (RELATION, r"x\in R", r"\in"),
    (RELATION, r"\int", None),
    (WORD, r"\ne x or y", "or"),
    (STATED, "x_1", "x_1"),
    (STATED, "7", None),
)


def without_qualifier(text: str) -> str:
    """Without "for all integers n", "where x > 0" and the like at the end; a whole number k may have any name."""
    if match := WHOLE.search(text):
        shorter, name = text[: match.start()], match["whole"]
        return shorter if "k" in shorter else re.sub(rf"{START}{name}{END}", "k", shorter)
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
            held = held or not name or bool(re.search(rf"{START}{re.escape(name)}{END}", formula))
        else:
            return False
    return held


def with_base(text: str) -> str:
    """`101 (base 2)` as `101_{2}`."""
    return BASE.apply(text)
