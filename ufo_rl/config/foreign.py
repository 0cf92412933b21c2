"""Open nodes that take any field of another package's configuration: their names, types, and which of them are ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ufo_rl.config.dataclass_source import Kind
from ufo_rl.errors import nearest


def problems_of(
    node: str, given: Mapping[str, Any], owned: Mapping[str, str], fields: Mapping[str, Kind] | None, whose: str
) -> list[str]:
    """What is wrong with the values under `node`.

    owned: fields that the program fills itself, and the key of ours that says what with, or why there is none.
    fields: what the other package has; None where it is not installed: its names cannot be checked then.
    """
    return [problem for name, value in given.items() for problem in _problem(node, name, value, owned, fields, whose)]


def in_yaml(value: Any) -> str:
    """A value as the user writes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _problem(
    node: str, name: str, value: Any, owned: Mapping[str, str], fields: Mapping[str, Kind] | None, whose: str
) -> Iterator[str]:
    shown = f"{node}.{name}={in_yaml(value)}"
    if name in owned:
        is_key = " " not in owned[name]
        yield f"{shown}: {'this is ' if is_key else ''}{owned[name]}"
    elif fields is None:
        return
    elif name not in fields:
        free = [field for field in fields if field not in owned]
        yield f"{node}.{name}: {whose} has no such field{nearest(name, [*free, *owned])}"
    elif not fields[name].allows(value):
        hint = nearest(value, fields[name].values) if isinstance(value, str) and fields[name].values else ""
        yield f"{shown} must be {fields[name]}{hint}"
