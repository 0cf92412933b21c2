"""Markers of the user's own: regular expressions, checked before anything starts and bounded in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ufo_rl.grader.math.text.sentence import MAX_SAID, said

# CPU time of the process that the search of one completion may take; a sane pattern needs a thousandth of it.
LIMIT_S = 1.0


class SlowMarker(Exception):
    """The search for a marker took longer than its limit."""


class Markers:
    """patterns: regular expressions of the library `regex` (those of `re` and more; ^ and $ are at the borders of lines) with
    one group, the answer, or none: then it is what follows, read as behind "Answer:". ValueError names each bad one."""

    def __init__(self, patterns: Sequence[str]) -> None:
        if isinstance(patterns, str) or not isinstance(patterns, Sequence):
            raise ValueError(
                f"markers={patterns!s:.80} must be a list of regular expressions, such as ['Ergebnis: (.+)']"
            )
        problems, self._compiled = [], []
        for place, pattern in enumerate(patterns):
            made, problem = _compiled(pattern)
            problems += [f"markers.{place}={pattern!s:.80} {problem}"] if problem else []
            self._compiled.append(made)
        if problems:
            raise ValueError("\n".join(problems))

    def answers(self, text: str) -> Iterator[tuple[int, str, str]]:
        """(end, content, "") of every match, in the order of the patterns. Raises SlowMarker."""
        for place, pattern in enumerate(self._compiled):
            try:
                for match in pattern.finditer(text, timeout=LIMIT_S):
                    content = match[1] if pattern.groups else said(text[match.end() : match.end() + MAX_SAID].lstrip())
                    if content:
                        yield match.end(), content.strip(), ""
            except TimeoutError:
                raise SlowMarker(f"grader.markers.{place} needs more than {LIMIT_S:g} s of CPU time") from None


def _compiled(pattern: Any) -> tuple[Any, str]:
    """The pattern, and what is wrong with it."""
    if not isinstance(pattern, str):
        return None, "must be a regular expression, a text in quotes"
    import regex  # only those who set markers pay for it

    try:
        made = regex.compile(pattern, regex.MULTILINE | regex.VERSION0)
    except regex.error as error:
        return None, f"must be a regular expression: {error}"
    if made.groups > 1:
        return made, f"has {made.groups} groups, it must have one, the answer, or none; write (?:...) for the others"
    try:
        is_empty = made.fullmatch("", timeout=LIMIT_S) is not None
    except TimeoutError:
        return made, "takes too long; it must not repeat what is repeated already, as (a+)+ does"
    return made, "must not match the empty text, as it does; ask for at least one character" if is_empty else ""
