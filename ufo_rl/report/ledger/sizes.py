"""How much disk a folder takes, and in words."""

from __future__ import annotations

import os
from pathlib import Path

UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count as what they are. 0 for nothing."""
    if path.is_dir() and not path.is_symlink():
        return sum(size_of(Path(entry.path)) for entry in os.scandir(path))
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def in_bytes(size: float) -> str:
    """512 B, 3.4 MiB"""
    return next((f"{size / one:.1f} {unit}" for unit, one in UNITS if size >= one), f"{size:.0f} B")
