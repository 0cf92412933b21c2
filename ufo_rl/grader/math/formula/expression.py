"""LaTeX and plain formulas as trees: what is needed to read answers, and nothing that runs code.

A tree is a tuple, the first item its kind: ("num", Fraction), ("var", name), ("pi",), ("e",), ("i",), ("inf",),
("+", a, b), ("*", a, b), ("/", a, b), ("^", a, b), ("neg", a), ("deg", a), ("!", a), ("binom", a, b), ("mod", a, b),
("call", function, a), ("series", "+" or "*", index, from, to, term), ("pm", a, b) and ("mp", a, b) for both signs.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from ufo_rl.grader.math.formula import symbols

Tree = tuple[Any, ...]
MAX_CHARS, MAX_DEPTH = 4000, 60


class NoFormula(ValueError):
    """The text is no formula that this reader knows."""


def parse(text: str) -> Tree:
    """The tree of a normalised formula (see `text.normal`). Raises NoFormula."""
    if len(text) > MAX_CHARS:
        raise NoFormula(f"{len(text)} characters")
    reader = _Reader(text)
    tree = reader.whole()
    if reader.peek():
        raise NoFormula(f"{reader.peek()} at {reader.at}")
    return tree


class _Reader:
    """Recursive descent over the characters; each method reads one level of precedence."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.bars = 0  # open absolute values
        self.bound: list[str] = []  # indices of the series around: there i is no imaginary unit

    def peek(self) -> str:
        """The next word: a command, a character, or "" at the end."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if self.at >= len(self.text):
            return ""
        if self.text[self.at] == "\\" and (match := symbols.COMMAND.match(self.text, self.at)):
            return match[0]
        return self.text[self.at]

    def take(self, word: str = "") -> str:
        found = self.peek()
        if not found or (word and found != word):
            raise NoFormula(f"{word or 'something'} expected at {self.at}")
        self.at += len(found)
        return found

    def accept(self, *words: str) -> str:
        return self.take() if self.peek() in words and self.peek() else ""

    def whole(self) -> Tree:
        """What a brace holds: a sum, or two of them around the infix signs of plain TeX."""
        tree = self.sum()
        word = self.accept(r"\over", r"\choose")
        return ("/" if word == r"\over" else "binom", tree, self.sum()) if word else tree

    def sum(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NoFormula("too deep")
        sign = self.accept("+", "-", r"\pm", r"\mp")
        tree = self.product()
        if sign == "-":
            tree = ("neg", tree)
        elif sign in (r"\pm", r"\mp"):
            tree = (sign[1:], ("num", Fraction(0)), tree)
        while sign := self.accept("+", "-", r"\pm", r"\mp"):
            right = self.product()
            tree = ("+", tree, ("neg", right) if sign == "-" else right) if sign in "+-" else (sign[1:], tree, right)
        self.depth -= 1
        return tree

    def product(self) -> Tree:
        tree = self.signed_factor()
        while True:
            if self.accept("*", r"\cdot", r"\times"):
                tree = ("*", tree, self.signed_factor())
            elif self.accept("/", ":", r"\div"):
                tree = ("/", tree, self.signed_factor())
            elif self.accept(r"\bmod", r"\mod"):
                tree = ("mod", tree, self.signed_factor())
            elif self.starts_factor():
                if self.peek().isdigit() and self.text[: self.at].rstrip()[-1:].isdigit():
                    raise NoFormula("two numbers side by side")
                tree = ("*", tree, self.factor())
            else:
                return tree

    def signed_factor(self) -> Tree:
        if self.accept("-"):
            return ("neg", self.signed_factor())
        self.accept("+")
        return self.factor()

    def starts_factor(self) -> bool:
        word = self.peek()
        if not word or word in "+-*/:,;=<>!^_)]}%":
            return False
        if word == "|":
            return self.bars == 0
        if word[0] == "\\":
            name = word[1:]
            known = (
                name in symbols.FUNCTIONS
                or name in symbols.GREEK
                or word in symbols.CONSTANTS
                or word in (r"\lfloor", r"\lceil")
            )
            return known or word in symbols.ACCENTS or word in symbols.SERIES or name in ("frac", "sqrt", "binom")
        return word.isalnum() or word in "({[."

    def factor(self) -> Tree:
        tree = self.base()
        while True:
            if self.accept("^"):
                tree = ("deg", tree) if self.accept(r"\circ") else ("^", tree, self.argument(many_digits=True))
            elif self.accept("!"):
                tree = ("!", tree)
            elif self.accept("%"):
                tree = ("/", tree, ("num", Fraction(100)))
            else:
                return tree

    def argument(self, many_digits: bool = False) -> Tree:
        """What stands behind ^, or in the place of a braced argument: a group, or a single sign."""
        word = self.peek()
        if word == "{":
            return self.group()
        if word == "-" and many_digits:
            self.take()
            return ("neg", self.argument(many_digits))
        if word == "(":
            return self.group()
        if word.isdigit():
            if many_digits:
                return self.number()
            self.at += 1
            return ("num", Fraction(int(word)))
        return self.base()

    def group(self) -> Tree:
        opening = self.take()
        bars, self.bars = self.bars, 0
        tree = self.whole() if opening == "{" else self.sum()
        self.take(symbols.PAIRS[opening])
        self.bars = bars
        return tree

    def number(self) -> Tree:
        match = symbols.NUMBER.match(self.text, self.at)
        if not match:
            raise NoFormula(f"a number expected at {self.at}")
        self.at = match.end()
        digits = match[0]
        if len(digits) > 4000:
            raise NoFormula("a number of more than 4000 digits")
        if self.peek() == "_":
            return ("var", f"{digits}_{self._subscript()}")  # a numeral of another base is its own name
        value = Fraction(digits)
        if "." in digits and (repeated := symbols.REPEATED.match(self.text, self.at)):
            self.at = repeated.end()
            scale = 10 ** len(digits.partition(".")[2])
            value += Fraction(int(repeated[1]), scale * (10 ** len(repeated[1]) - 1))
        mixed = symbols.MIXED.match(self.text, self.at)
        if mixed and "." not in digits:
            top, bottom = int(mixed[1] or mixed[2]), int(mixed[3] or mixed[4])
            if 0 < top < bottom:
                self.at = mixed.end()
                value += Fraction(top, bottom)
        return ("num", value)

    def _subscript(self) -> str:
        self.take("_")
        if self.peek() != "{":
            return self.take()
        match = symbols.SUBSCRIPT.match(self.text, self.at)
        if not match:
            raise NoFormula("a deep subscript")
        self.at = match.end()
        return re.sub(r"[\s\\{}]|text", "", match[1])

    def base(self) -> Tree:
        word = self.peek()
        if word in symbols.PAIRS and word not in ("[", r"\{"):
            tree = self.group()
            return {r"\lfloor": ("call", "floor", tree), r"\lceil": ("call", "ceil", tree)}.get(word, tree)
        if word == "|":
            return self._absolute()
        if word.isdigit() or word == ".":
            return self.number()
        self.take()
        if word == r"\frac":
            return ("/", self.argument(), self.argument())
        if word == r"\binom":
            return ("binom", self.argument(), self.argument())
        if word == r"\sqrt":
            return self._root()
        if word[0] == "\\" and word[1:] in symbols.FUNCTIONS:
            return self._call(word[1:])
        if word in symbols.SERIES:
            return self._series(word)
        if word in symbols.ACCENTS or word in symbols.FIGURES:
            return self._decorated(word)
        if word in symbols.CONSTANTS and word not in self.bound and self.peek() != "_":
            return symbols.CONSTANTS[word]
        if word[0] == "\\" and word[1:] not in symbols.GREEK:
            raise NoFormula(word)
        if not (word.isalpha() or word[0] == "\\") or symbols.ENGLISH.match(self.text, self.at - len(word)):
            raise NoFormula(word)
        name = word
        if self.peek() == "_":
            name += f"_{self._subscript()}"
        while self.accept("'"):
            name += "'"
        if match := symbols.VALUE_AT.match(self.text, self.at):
            self.at = match.end()
            name += match[0]
        return ("var", name)

    def _series(self, word: str) -> Tree:
        """A sum or product from a bound to a bound; its index has no name outside."""
        match = symbols.INDEX.match(self.text, self.at)
        if not match:
            raise NoFormula("a series without an index")
        self.at = match.end()
        low = self.sum()
        self.take("}")
        self.take("^")
        high = self.argument(many_digits=True)
        if high == ("inf",):
            raise NoFormula("a series without an end")
        self.bound.append(match[1])
        body = self.product()
        self.bound.pop()
        if any("_" in name for name in symbols.names_in(body)):
            raise NoFormula("an indexed name in a series")
        return ("series", symbols.SERIES[word], match[1], low, high, body)

    def _decorated(self, word: str) -> Tree:
        """A name under an accent, or the points of an angle or triangle: one name, letters in their order."""
        match = (symbols.IN_BRACES if word in symbols.ACCENTS else symbols.POINTS).match(self.text, self.at)
        if not match:
            raise NoFormula(word)
        self.at = match.end()
        return ("var", word + (match[1] or match[2]))

    def _absolute(self) -> Tree:
        self.take("|")
        self.bars += 1
        tree = self.sum()
        self.bars -= 1
        self.take("|")
        return ("call", "abs", tree)

    def _root(self) -> Tree:
        degree: Tree = ("num", Fraction(2))
        if self.peek() == "[":
            degree = self.group()
        under = self.argument(many_digits=True)
        return ("call", "sqrt", under) if degree == ("num", Fraction(2)) else ("root", under, degree)

    def _call(self, name: str) -> Tree:
        power: Tree | None = None
        base: Tree | None = None
        while self.peek() in ("^", "_"):
            if self.take() == "^":
                power = self.argument(many_digits=True)
            else:
                base = self.argument(many_digits=True)
        if power == ("neg", ("num", Fraction(1))) and name in symbols.INVERSE:
            name, power = symbols.INVERSE[name], None
        tree: Tree = ("call", name, self._operand())
        if base is not None:
            tree = ("/", ("call", "ln", tree[2]), ("call", "ln", base))
        return tree if power is None else ("^", tree, power)

    def _operand(self) -> Tree:
        """What a function is applied to: a group, or the factors up to the next operator or function."""
        if self.peek() in ("(", "{"):
            return self.group()
        if self.peek() == "-":
            raise NoFormula("a sign behind a function's name")
        tree = self.factor()
        while self.starts_factor() and self.peek() not in ("(",) and self.peek()[1:] not in symbols.FUNCTIONS:
            tree = ("*", tree, self.factor())
        return tree
