"""What parts may have besides their protocol."""

from __future__ import annotations

from typing import Any


def ask(part: Any, method: str, *arguments: Any, default: Any = None) -> Any:
    """What an optional method of a part returns; `default` where the part does not have it."""
    found = getattr(part, method, None)
    return found(*arguments) if callable(found) else default
