"""Intervals, inequalities and other sets of real numbers, and chains of relations such as a < b < c."""

from __future__ import annotations

from ufo_rl.grader.math.shapes.inequalities import FLIPPED, RELATION
from ufo_rl.grader.math.shapes.pieces import same_pieces
from ufo_rl.grader.math.shapes.real_sets import read
from ufo_rl.grader.math.shapes.sequences import Same, all_same
from ufo_rl.grader.math.text.brackets import split

SET_WORDS = (r"\cup", r"\in", r"\le", r"\ge", r"\ne", "<", ">", r"\mathbb", r"\setminus", r"\infty")


def same_sets(gold: str, answer: str, same: Same) -> bool | None:
    """Whether both are the same set of real numbers or the same chain; None where they are neither."""
    if not (_is_set(gold) or _is_set(answer)):
        return None
    a, b = read(gold), read(answer)
    if a is not None and b is not None:
        return same_pieces(a, b)
    chain, other = _chain(gold), _chain(answer)
    if chain is None or other is None:
        return None
    return all_same(chain[1], other[1], same) if chain[0] == other[0] else False


def _is_set(text: str) -> bool:
    is_interval = text[:1] in "([" and text[-1:] in ")]" and len(split(text[1:-1], ",;")) == 2
    return (is_interval and text[0] + text[-1] != "()") or any(word in text for word in SET_WORDS)


def _chain(text: str) -> tuple[list[str], list[str]] | None:
    """Relations and sides of a chain, pointing to the right."""
    words = [w for w in RELATION.findall(text) if w != "="]
    if not words or "=" in text:
        return None
    sides = [side.strip() for side in RELATION.split(text)]
    if words[0] in (">", r"\ge"):
        words, sides = [FLIPPED[word] for word in reversed(words)], sides[::-1]
    return words, sides
