"""Errors that are told in plain words, and the words that help: what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


class UserError(Exception):
    """A mistake in what the user asked for: shown as plain text with exit status 2, never as a traceback."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class StageFailed(Exception):
    """A stage ended in an error; the message has its last words and where its log is."""


class Problems:
    """Collects what is wrong, each problem once, so that the user is told all of it together."""

    def __init__(self, found: Iterable[str] = ()) -> None:
        self.found = list(found)

    def add(self, *problems: str) -> None:
        self.found.extend(p for p in problems if p not in self.found)

    def attempt(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns; None where it raises a UserError, whose problems are kept."""
        try:
            return function(*arguments)
        except UserError as error:
            self.add(*error.problems)
            return None

    def raise_any(self) -> None:
        if self.found:
            raise UserError(*self.found)


def nearest(word: str, words: Iterable[object]) -> str:
    """`; did you mean "x"?` with the one or two most similar of the words, "" if none is similar."""
    close = difflib.get_close_matches(word, sorted({str(w) for w in words}), n=2, cutoff=0.6)
    if len(close) == 2 and _similarity(word, close[0]) > _similarity(word, close[1]):
        close = close[:1]
    return "; did you mean " + " or ".join(f'"{c}"' for c in close) + "?" if close else ""


def in_a_line(error: Exception, limit: int = 300) -> str:
    """What an error of a library says, in one line of bounded length."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= limit else f"{words[:limit]} ..."


def _similarity(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, b, a).ratio()
