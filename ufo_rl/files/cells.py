"""What one cell of a file holds, and the text of it: the same for every format, column and command."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# (file:line, row); text in place of a row says why the line holds none.
PlacedRow = tuple[str, Mapping[str, Any] | str]

# Keys of an object that most likely hold the text that was meant, for the name of a column inside it.
LIKELY = ("content", "text", "ground_truth", "answer", "value")


@dataclass(frozen=True)
class Unreadable:
    """A cell that cannot be read or passed on, and why: it stops those who need it and nobody else."""

    reason: str


class NoText(Exception):
    """Why a cell has no text, to be said behind the name of its column."""


class WrittenNumber(float):
    """A number that a float holds only in part, such as 1e400 or one of 30 digits: `text` is what was written."""

    def __new__(cls, text: str) -> WrittenNumber:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


def text_of(value: Any, path: str) -> str:
    """The text of the cell at the column path `path`, "" for a missing one (null, NaN, an empty list).

    Numbers have their shortest text without exponent where they are whole: 27.0 is 27, Decimal("0.50") 0.5. A list of one
    element is that element; bytes are UTF-8; dates and times have ISO form. Raises NoText, with a cure, for all others.
    """
    while isinstance(value, list | tuple) and len(value) < 2:
        value, path = (value[0], f"{path}.0") if value else (None, path)
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, bool | int | datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    if isinstance(value, bytes):
        return _bytes_text(value)
    if isinstance(value, Unreadable):
        raise NoText(value.reason)
    raise NoText(f"holds {_kind(value)}, not text; name a column inside it, such as {_inside(value, path)}")


def as_json(value: Any) -> Any:
    """The cell as JSON has it; decimals, dates and bytes become their text. NoText where there is none."""
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return float(value)
    return json.loads(json.dumps(value, default=lambda inner: text_of(inner, "")))


def decimal_text(value: Decimal) -> str:
    """All digits of a number and no zeros behind them."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _float_text(value: float) -> str:
    if isinstance(value, WrittenNumber):
        return value.text
    if not value:
        return "0"
    return decimal_text(Decimal(repr(value))) if float(value).is_integer() else repr(value)


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as err:
        raise NoText(f"holds bytes that are no UTF-8 text ({err.reason}); store it as text") from err


def _kind(value: Any) -> str:
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def _inside(value: Any, path: str) -> str:
    """The path of a text in a list or object."""
    if isinstance(value, Mapping) and value:
        name = next((name for name in LIKELY if name in value), next(iter(value)))
        return _inside(value[name], f"{path}.{name}")
    if isinstance(value, list | tuple) and value:
        return _inside(value[0], f"{path}.0")
    return path
