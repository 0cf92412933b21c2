"""uses.json of a run: the folders of the cache that it needs, so that none of them is taken for garbage."""

from __future__ import annotations

from pathlib import Path

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json, write_json

FILE = "uses.json"


def record_use(run: Path, cached: Path) -> None:
    """The run needs a folder of the cache, which is named relative to outputs/: cache/signals/confidence-0123."""
    before, name = uses_of(run) or [], "/".join(cached.parts[-3:])
    if name not in before:
        write_json(run / FILE, sorted([*before, name]))


def uses_of(run: Path) -> list[str] | None:
    """What the run needs; None where it does not say: an earlier version made it, or the file is broken."""
    path = run / FILE
    try:
        found = read_json(path) if path.is_file() else None
    except UserError:
        return None
    return found if isinstance(found, list) else None
