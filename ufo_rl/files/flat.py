"""Nested values under one joined name each, as tables, labels and trackers want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat(values: Mapping[str, Any], joint: str) -> dict[str, Any]:
    """{"a": {"b": 1}, "c": 2} -> {"a.b": 1, "c": 2} for the joint "."; an empty mapping leaves nothing."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= {f"{key}{joint}{name}": inner for name, inner in flat(value, joint).items()}
        else:
            found[key] = value
    return found
