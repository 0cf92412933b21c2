"""The names and patterns that the reader of formulas knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

FUNCTIONS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *("ln", "log", "lg", "exp"),
}
INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
CONSTANTS = {r"\pi": ("pi",), r"\infty": ("inf",), "e": ("e",), "i": ("i",)}
ACCENTS = {r"\vec", r"\overline", r"\hat", r"\tilde"}
SERIES = {r"\sum": "+", r"\prod": "*"}
FIGURES = {r"\angle", r"\triangle"}
GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "ell"),
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega", "hbar", "triangle", "angle"),
}
PAIRS = {"(": ")", "{": "}", "[": "]", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil", r"\{": r"\}"}
NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")
REPEATED = re.compile(r"\\overline\{(\d{1,100})\}")
SUBSCRIPT = re.compile(r"\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
VALUE_AT = re.compile(r"\(\d{1,4}\)")  # f(0) is a name: it is no product with zero
INDEX = re.compile(r"_\{\s*([a-z])\s*=")
COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)")
IN_BRACES = re.compile(r"\s*(?:\{([^{}]+)\}|([A-Za-z]))")
POINTS = re.compile(r"\s*(?:([A-Z]{1,4}(?:_\w)?)|(\d+|[a-z]))")
ENGLISH = re.compile(r"[A-Za-z]{5,}|[A-Za-z]{2,} [A-Za-z]{2,}|(?:or|and|not|if)(?![A-Za-z])")
MIXED = re.compile(r"\s*\\frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))")


def names_in(tree: tuple[Any, ...]) -> Iterator[str]:
    """The unknowns of a parsed formula."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if node[:1] == ("var",):
            yield node[1]
        waiting += (part for part in node if isinstance(part, tuple))
