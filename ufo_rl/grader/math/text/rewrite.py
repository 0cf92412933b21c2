"""A rule that rewrites a text, with the example that shows what it does; rules apply in the order of their table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Rewrite(NamedTuple):
    """What `pattern` finds becomes `new`; by this rule alone the text `before` becomes `after`."""

    pattern: re.Pattern[str]
    new: str
    before: str
    after: str

    def apply(self, text: str) -> str:
        return self.pattern.sub(self.new, text)


def rule(pattern: str, new: str, before: str, after: str) -> Rewrite:
    return Rewrite(re.compile(pattern), new, before, after)


def rewritten(text: str, rules: Iterable[Rewrite]) -> str:
    """The text after each rule in its turn."""
    for pattern, new, _, _ in rules:
        text = pattern.sub(new, text)
    return text
