r"""Boxes `\boxed{..}` and the braces that close them."""

from __future__ import annotations

import re
from collections.abc import Iterator

# An escaped character is consumed whole, so that `\{` and `\}` do not count as braces.
# Each alternative begins with one plain sign, which lets the search leap over everything else.
TOKEN = re.compile(r"\\(?:(?P<box>(?:boxed|fbox)\s*\{)|.)|\{|\}", re.DOTALL)

EXAMPLES = (
    (TOKEN, r"so \boxed {7}", r"\boxed {"),
    (TOKEN, r"\{1}", r"\{"),
)


def boxes(text: str) -> Iterator[tuple[int, str]]:
    """Boxes whose braces balance, found in one pass with a stack of open braces, from the first box on."""
    opened: list[tuple[bool, int]] = []
    start = min((at for at in (text.find(r"\boxed"), text.find(r"\fbox")) if at >= 0), default=len(text))
    while start and text[start - 1] == "\\":  # which may escape the one that is found
        start -= 1
    for match in TOKEN.finditer(text, start):
        if match["box"] or match[0] == "{":
            opened.append((bool(match["box"]), match.end()))
        elif match[0] == "}" and opened:
            is_box, start = opened.pop()
            if is_box:
                yield match.end(), text[start : match.start()]


def first_unopened(text: str) -> int:
    """Where the first brace closes that was opened before the text: the sentence stands in a box or a group."""
    depth = 0
    for match in TOKEN.finditer(text):
        depth += 1 if match["box"] or match[0] == "{" else -(match[0] == "}")
        if depth < 0:
            return match.start()
    return len(text)
