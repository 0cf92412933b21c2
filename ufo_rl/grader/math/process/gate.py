"""Verdicts without math-verify where it would take seconds and decide nothing: code, prose, deep nesting, huge numbers."""

from __future__ import annotations

import re

import mpmath

from ufo_rl.grader.math.formula.expression import NoFormula, Tree, parse
from ufo_rl.grader.math.formula.operations import NoValue
from ufo_rl.grader.math.formula.value import evaluate, points, uses, variables
from ufo_rl.grader.math.process.verdict import Verdict
from ufo_rl.grader.math.words.plain import bare
from ufo_rl.grader.math.words.units import without_words

# 4 is the most brackets within each other in 27,000 public answers (MATH, OlympiadBench, DAPO, the labelled cases).
MAX_DEPTH = 6
# Signs that an answer may have: some more than its reference, such as a sum of two matrices in the place of one.
FREE_SIGNS, SIGNS_PER_SIGN = 24, 2
# Powers, each of which may multiply what sympy computes; at most 7 in those answers.
MAX_POWERS = 8
SIGN = re.compile(r"\\?[A-Za-z]+|\d+|\S")
# What math-verify reads as a product of unknowns, or not at all.
FOREIGN = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|[^\x20-\x7e]|\\text\{[^{}]*\}")
# What it adds up, and what it passes over.
SIDE_BY_SIDE, PRIME = re.compile(r"(?<![\w.^}])\d+(?:\.\d+)? [\d.]"), re.compile("'")
NESTED = re.compile(r"\(\(|\[\[|\\\{\\\{")
# What math-verify reads whole; of a formula with anything else it may read the beginning and be content with that.
READ = re.compile(
    r"\\(?:[{}|\\, ]|(?:frac|sqrt|binom|cdot|times|sum|prod|int|lim|to|infty|cup|cap|setminus|mathbb|begin|end|pm|mp|le|ge|ne"
    r"|in|pi|circ|emptyset|overline|text|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|ln|log|exp|lfloor|rfloor|lceil|rceil|bmod"
    r"|alpha|beta|gamma|delta|theta|lambda|mu|sigma|phi|omega)(?![A-Za-z]))"
)
MATRIX = re.compile(r"\\begin\{[a-zA-Z]*matrix\}|\\begin\{array\}")


def verdict_without(gold: str, answer: str) -> Verdict | None:
    """The verdict on two normalised texts that our own rules left open; None where math-verify is to be asked."""
    for what, text in (("reference", gold), ("answer", answer)):
        if "\\" in READ.sub("", text):
            return _unparsed(f"the {what} has commands that math-verify does not know")
    for words, pattern in (("numbers side by side", SIDE_BY_SIDE), ("a prime", PRIME)):
        if pattern.search(answer) and not pattern.search(gold):
            return _unparsed(f"{words}, which the reference does not have")
    limit = FREE_SIGNS + SIGNS_PER_SIGN * len(SIGN.findall(gold))
    if len(SIGN.findall(answer)) > limit:
        return _unparsed(f"more than {limit} signs, {SIGNS_PER_SIGN} for each of the reference and {FREE_SIGNS}")
    depth, deepest = _depths(answer)
    if depth:
        return _unparsed("a bracket without its other half")
    if deepest > MAX_DEPTH:
        return _unparsed(f"more than {MAX_DEPTH} brackets within each other")
    if answer.count("^") > MAX_POWERS:
        return _unparsed(f"more than {MAX_POWERS} powers")
    if foreign := set(FOREIGN.findall(without_words(answer, gold))) - set(FOREIGN.findall(gold)):
        return _unparsed(f"{min(foreign)[:20]!r}, which the reference does not have")
    try:
        tree = parse(answer)
    except NoFormula:
        is_nested = NESTED.match(answer) and not NESTED.match(gold)
        return _unparsed("a list of lists, which the reference is not") if is_nested else None
    words = bare(gold)
    if MATRIX.search(gold) or (words.isalpha() and len(words) > 2):
        return Verdict(False, method="formula")
    return None if _has_value(tree) else _unparsed("no value, or numbers that are too large")


def _unparsed(words: str) -> Verdict:
    return Verdict(False, f"unparsed: {words}")


def _depths(text: str) -> tuple[int, int]:
    """How many brackets are open at the end, and at the deepest place; an interval may mix them."""
    depth = deepest = 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    return depth, deepest


def _has_value(tree: Tree) -> bool:
    """Whether it has one somewhere, a real one where no i is written; both signs in one formula count as one."""
    if uses(tree, "pm") or uses(tree, "mp"):
        return True
    names, is_complex = sorted(variables(tree)), uses(tree, "i")
    for point in points(names) if names else [{}]:
        try:
            value = evaluate(tree, point)
        except NoValue:
            continue
        if is_complex or not isinstance(value, mpmath.mpc):
            return True
    return False
