"""Paths to what stands in a row: names and list places joined by dots, such as `prompt.0.content`."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from typing import Any

from ufo_rl.files.cells import NoText, Unreadable, text_of
from ufo_rl.files.json_text import parse_json

# A chat as JSON, or as Python prints its messages: a table's cell that held them once.
CHAT = re.compile(
    r"""(?P<list>\[\s*)?\{\s*["'](?:role|content)["']\s*:.*["'](?:role|content)["']\s*:.*\}\s*\]?""", re.DOTALL
)


def column_of(names: Collection[str], path: str) -> str | None:
    """The column of a row in which a path begins: the longest of the names that it begins with, None if there is none."""
    steps = path.split(".")
    return next((name for end in range(len(steps), 0, -1) if (name := ".".join(steps[:end])) in names), None)


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """What stands at a path; None where there is nothing.

    A name that has dots itself wins over a path through it. Text that is JSON, or a dict or list as Python writes it, is
    gone into. NoText where the path leads into text that is neither, or into what cannot be read.
    """
    value: Any = row
    done, left = "", path
    while left:
        while isinstance(value, bytes | str) and (text := text_of(value, done)).strip():
            value = _opened(text, done)  # once more where JSON text holds JSON text
        if isinstance(value, Unreadable):
            raise NoText(value.reason)
        if isinstance(value, list | tuple) and value and isinstance(value[0], tuple):
            value = dict(value)  # a map of Parquet's
        if isinstance(value, Mapping):
            step = column_of(value, left)
            value = None if step is None else value[step]
        else:
            step = left.split(".")[0]
            is_there = isinstance(value, list | tuple) and step.isdecimal() and int(step) < len(value)
            value = value[int(step)] if is_there else None
        if value is None or step is None:
            return None
        done, left = path[: len(path) - len(left) + len(step)], left[len(step) + 1 :]
    return value


def text_at(row: Mapping[str, Any], path: str) -> str:
    """The stripped text at a path, "" where there is nothing; NoText says why it has none."""
    return text_of(value_at(row, path), path).strip()


def chat_problem(text: str, path: str) -> str:
    """That the text of a column is a whole chat, with the path of a message's text; "" where it is none."""
    written = CHAT.fullmatch(text.strip())
    inside = f"{path}{'.0' if written and written['list'] else ''}.content"
    return f"is the text of a chat; name a path to one message's text, such as {inside}" if written else ""


def is_list_of_texts(text: str) -> bool:
    """Whether a text writes down a list of texts, as CSV files have it."""
    if not (text.startswith("[") and text.endswith("]")):
        return False
    try:
        value = _opened(text, "")
    except NoText:
        return False
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _opened(text: str, path: str) -> Any:
    """The value that a text writes down."""
    try:
        return parse_json(text)
    except ValueError as problem:
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
        if isinstance(value, dict | list | tuple):
            return value
        raise NoText(f"leads into text (at {path}) that is {problem}") from problem
