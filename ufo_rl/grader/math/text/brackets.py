"""Where a bracket closes, and the parts of a text between separators that stand in none."""

from __future__ import annotations


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
