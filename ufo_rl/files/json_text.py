"""JSON as people write it: no key is lost, no digit, and nothing is so deep that it could not be passed on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ufo_rl.files.cells import Unreadable, WrittenNumber

MAX_DEPTH = 100  # levels; the json module of a deeper stack than ours would end at fewer than a thousand
EXACT_CHARS = 15  # of a number without exponent, so short that a float has all its digits
TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str) -> Any:
    """The value. ValueError says what is wrong: no JSON, a key that stands there twice, more than MAX_DEPTH levels."""
    if _may_be_deep(text) and _depth(text) > MAX_DEPTH:
        raise ValueError(f"JSON of more than {MAX_DEPTH} levels")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as err:
        what = "something behind the end of the value" if err.msg == "Extra data" else err.msg
        raise ValueError(f"no JSON: {what} at character {err.pos + 1}") from err
    return _with_whole_characters(value) if SURROGATE.search(text) else value


def parse_row(text: str) -> Mapping[str, Any]:
    """The object of one line. A value of too many levels is an `Unreadable`, and the others stay. ValueError as above."""
    deep: list[str] = []
    if _may_be_deep(text):
        text, deep = _without_deep_values(text)
    row = parse_json(text)
    if not isinstance(row, dict):
        raise ValueError("a JSON value that is no object; write one object a line")
    return {**row, **dict.fromkeys(deep, Unreadable(f"holds JSON of more than {MAX_DEPTH} levels"))} if deep else row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f'the key "{twice}" stands there twice; which one holds?')
    return found


def _number(text: str) -> float:
    value = float(text)
    if len(text) <= EXACT_CHARS and text[-4:].isdecimal() and "e" not in text and "E" not in text:
        return value
    try:
        is_whole = Decimal(text) == Decimal(repr(value))
    except ArithmeticError:  # an exponent beyond the decimal module's
        is_whole = False
    return value if is_whole else WrittenNumber(text)


def _integer(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # thousands of digits, which Python refuses to convert
        return WrittenNumber(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_int=_integer)


def _with_whole_characters(value: Any) -> Any:
    """Half of a surrogate pair, which could not be written again, becomes a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_with_whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {_with_whole_characters(name): _with_whole_characters(one) for name, one in value.items()}
    return value


def _may_be_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > MAX_DEPTH


def _depth(text: str) -> int:
    depth = most = 0
    for found in TOKENS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        most = max(most, depth)
    return most


def _without_deep_values(text: str) -> tuple[str, list[str]]:
    """The text of an object with null for the values that are too deep, and their keys."""
    depth = most = start = end = 0
    key, kept, deep = '""', [], []
    for found in TOKENS.finditer(text):
        if found[0][0] == '"':
            key = found[0] if depth == 1 else key
        elif found[0] in "[{":
            depth += 1
            start, most = (found.start(), 0) if depth == 2 else (start, max(most, depth - 1))
        else:
            depth -= 1
            if depth == 1 and most > MAX_DEPTH:
                kept += [text[end:start], "null"]
                deep.append(key)
                end = found.end()
    return "".join([*kept, text[end:]]), [json.loads(key) for key in deep]
