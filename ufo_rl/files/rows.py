"""Rows of a local file, each with the place it stands at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ufo_rl.errors import UserError, nearest
from ufo_rl.files.cells import PlacedRow
from ufo_rl.files.readers.comma_separated import csv_rows
from ufo_rl.files.readers.json_lines import json_rows
from ufo_rl.files.readers.parquet_file import parquet_rows

SUFFIXES = (".jsonl", ".csv", ".parquet")


def read_rows(path: Path, needed: Collection[str] = (), with_others: bool = True) -> Iterator[PlacedRow]:
    """The rows of a JSONL, CSV or Parquet file, chosen by suffix; blank lines are skipped.

    Places are `name:line`, for Parquet `name:row` (from 1). `needed` are paths of columns without which the rows are of no
    use; without the others a Parquet file may be read in part. Cells that cannot be read are `Unreadable`. Raises UserError
    for an unknown suffix and for a file that cannot be read as what its suffix says, or not where it is needed.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: files end in {', '.join(SUFFIXES)}, not {path.suffix!r}; convert or rename the file")
    if path.suffix == ".parquet":
        return parquet_rows(path, needed, with_others)
    return _told(path, json_rows(path) if path.suffix == ".jsonl" else csv_rows(path))


def check_file(key: str, path: Path) -> None:
    """Raises UserError, with the words `key` in front, for a path that is no file to read rows from."""
    ending = f"name a file ending in {', '.join(SUFFIXES)}"
    try:
        if path.is_file():
            return
        is_folder = path.is_dir()
    except OSError as err:  # a folder on the way may not be entered; a name is too long
        raise UserError(f"{key}: cannot be looked at ({err.strerror}); {ending}") from err
    beside = sorted(file.name for file in (path if is_folder else path.parent).glob("*") if file.suffix in SUFFIXES)
    found = ", ".join(beside[:5])
    if is_folder:
        raise UserError(f"{key}: a folder{f' with {found}' if found else ''}; {ending}")
    hint = f" (found {found} beside it)" if found else f" (the folder is {Path.cwd()})"
    raise UserError(f"{key}: no such file{nearest(path.name, beside) or hint}; {ending}")


def _told(path: Path, rows: Iterator[PlacedRow]) -> Iterator[PlacedRow]:
    try:
        yield from rows
    except OSError as err:
        raise UserError(f"{path} cannot be read: {err.strerror or err}") from err
