"""Lists, tuples and sets: which items an answer has, and whether two answers have the same ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ufo_rl.grader.math.text.brackets import closes, split
from ufo_rl.grader.math.text.normal import normalise
from ufo_rl.grader.math.text.patterns import TEXT

MAX_ITEMS = 200
MAX_SIGNS = 3  # signs \pm in one tuple
HALF_OPEN = {"[)", "(]"}
# (x,y)=(1,2), A=\{1,2\}, and the point P(1,2)
NAMES_BEFORE = re.compile(
    r"^(?:(?:[A-Za-z](?:_\w)?|\([A-Za-z](?:,[A-Za-z])+\))(?:=|\\in)(?=\\\{|\()|[A-Z](?:_\w)?(?=\([^()]*,[^()]*\)$))"
)
AND = re.compile(r"(?<=[\s\d)},])(?:and|or)(?=[\s(\\\d-])")
Items = tuple[str, list[str]]
Same = Callable[[str, str], bool | None]
Part = TypeVar("Part")


def same_sequences(gold: str, answer: str, same: Same, is_ordered: bool = False) -> bool | None:
    """Whether both have the same items, in order where one is a tuple; None where neither has several.

    `is_ordered`: bare lists have an order, too; sets, and what a sign \\pm stands for, have none.
    """
    verdict = _same_items(gold, answer, same, is_ordered)
    grouped = _grouped(gold), _grouped(answer)
    return verdict if verdict or grouped == (gold, answer) else _same_items(*grouped, same, is_ordered)


def pairs_in_order(gold: str, answer: str) -> list[tuple[str, str]]:
    """The items of two bare lists of one length, side by side; [] for anything else."""
    a, b = items_of(gold), items_of(answer)
    if a is None or b is None or {a[0], b[0]} != {""} or len(a[1]) != len(b[1]) or _has_signs(gold + answer):
        return []
    return list(zip(a[1], b[1], strict=True))


def num_items(gold: str) -> int:
    """How many items a gold has that is a bare list or a set; 1 for everything else."""
    items = items_of(normalise(gold))
    return len(items[1]) if items is not None and items[0] in ("", "{") else 1


def items_of(text: str) -> Items | None:
    """("(", "[]", "[)", "(]", "{" or "" for a bare list; its items), or None for what is no sequence."""
    kind = ""
    text = NAMES_BEFORE.sub("", text)
    if text.startswith(r"\{") and text.endswith(r"\}") and closes(text, 1) == len(text) - 1:
        kind, text = "{", text[2:-2]
    elif text[:1] in "([" and text[-1:] in ")]" and closes(text, 0) == len(text) - 1:
        if len(tuples := _both_signs(text)) > 1:
            return "", tuples
        kind, text = text[0] + text[-1], text[1:-1]
        kind = "(" if kind == "()" else kind
    text = AND.sub(",", TEXT.sub(lambda found: "," if found[1].strip() in ("and", "or") else found[0], text))
    parts = [sign for part in split(text, ",;") if part for sign in _both_signs(part)]
    if len(parts) < 2 and kind != "{":
        return None
    return (kind, parts) if len(parts) <= MAX_ITEMS else None


def all_same(a: Sequence[str], b: Sequence[str], same: Same) -> bool | None:
    """Whether the items are the same in their order."""
    if len(a) != len(b):
        return False
    verdicts = [same(x, y) for x, y in zip(a, b, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


def matched(wanted: Sequence[Part], given: Sequence[Part], same: Callable[[Part, Part], bool | None]) -> bool | None:
    """Whether the items can be paired, in any order."""
    left = list(given)
    for item in wanted:
        verdicts = [same(item, other) for other in left]
        if True not in verdicts:
            return None if None in verdicts else False
        left.pop(verdicts.index(True))
    return True


def _same_items(gold: str, answer: str, same: Same, is_ordered: bool) -> bool | None:
    a, b = _unwrapped(items_of(gold)), _unwrapped(items_of(answer))
    if a is None and b is None:
        return None
    if a is None or b is None:
        known = a or b
        assert known is not None
        other = answer if a is not None else gold
        if known[0] == "{" and len(known[1]) == 1:
            return same(*((known[1][0], other) if a is not None else (other, known[1][0])))
        return None if (known[0] == "(" and "=" in other) or (known[0] == "" and r"\text" in other) else False
    kinds = {a[0], b[0]}
    if {"(", "{"} <= kinds or (len(kinds) == 2 and ("" not in kinds or kinds & HALF_OPEN)):
        return False
    is_list = "{" not in kinds and not _has_signs(gold + answer)
    is_ordered = bool(kinds & {"(", "[]", *HALF_OPEN}) or (is_ordered and is_list)
    if not is_ordered and len(b[1]) > len(a[1]):
        b = b[0], _once(b[1], same)
    if len(a[1]) != len(b[1]):
        return False
    return all_same(a[1], b[1], same) if is_ordered else matched(a[1], b[1], same)


def _has_signs(text: str) -> bool:
    return r"\pm" in text or r"\mp" in text


def _unwrapped(items: Items | None) -> Items | None:
    """A set whose one item is a tuple or a list is that tuple."""
    if items is not None and items[0] == "{" and len(items[1]) == 1:
        return items_of(items[1][0]) or items
    return items


def _both_signs(part: str) -> list[str]:
    r"""What a part with a sign \pm stands for; every \pm of a tuple has its own choice."""
    is_tuple = part.startswith("(") and closes(part, 0) == len(part) - 1
    if is_tuple and 0 < part.count(r"\pm") <= MAX_SIGNS and r"\mp" not in part:
        parts = [part]
        while r"\pm" in parts[0]:
            parts = [some.replace(r"\pm", sign, 1) for some in parts for sign in ("", "-")]
        return parts
    signs = [sign for sign in (r"\pm", r"\mp") if sign in part]
    if len(signs) == 1 and part.count(signs[0]) == 1 and "=" not in part.split(signs[0])[1]:
        return [part.replace(signs[0], sign, 1) for sign in ("+", "-")]
    return [part]


def _grouped(text: str) -> str:
    """p=5,q=2;p=7,q=2 as (5,2),(7,2): equations whose names come round again."""
    sides = [split(part, "=") for part in split(text, ",;") if part]
    names = [side[0] for side in sides]
    if any(len(side) != 2 for side in sides) or names[0] not in names[1:]:
        return text
    width = names.index(names[0], 1)
    if width < 2 or names != names[:width] * (len(names) // width):
        return text
    values = [side[1] for side in sides]
    return ",".join(f"({','.join(values[at : at + width])})" for at in range(0, len(values), width))


def _once(items: list[str], same: Same) -> list[str]:
    """Without the items that say the same as an earlier one."""
    kept: list[str] = []
    for item in items:
        if not any(same(other, item) for other in kept):
            kept.append(item)
    return kept
