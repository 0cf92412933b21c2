"""Rows of a local file, each with the place it stands at."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError

# (file:line, row); text in place of a row says why the line holds none.
PlacedRow = tuple[str, Mapping[str, Any] | str]

SUFFIXES = (".jsonl", ".csv", ".parquet")
BATCH_ROWS = 1024  # of a Parquet file in memory at a time
MAX_FIELD = 1 << 30  # characters of one CSV field; Python's default of 131,072 is less than a long completion


def read_rows(path: Path) -> Iterator[PlacedRow]:
    """The rows of a JSONL, CSV or Parquet file, chosen by suffix; blank lines are skipped.

    Places are `name:line`, for Parquet `name:row` (from 1). Raises UserError for an unknown suffix or an unreadable file.
    """
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    if path.suffix not in readers:
        raise UserError(f"{path}: files end in {', '.join(SUFFIXES)}, not {path.suffix!r}; convert or rename the file")
    return readers[path.suffix](path)


def _jsonl(path: Path) -> Iterator[PlacedRow]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                if b"\\u" in line:  # half of a surrogate pair is no text: it could not be written again
                    row = json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
            except ValueError as err:  # bad JSON and bad UTF-8
                yield where, f"no JSON: {err}"
                continue
            yield where, row if isinstance(row, dict) else "a JSON value that is no object"


def _csv(path: Path) -> Iterator[PlacedRow]:
    csv.field_size_limit(MAX_FIELD)
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        number = 2
        try:
            for row in reader:
                where = f"{path.name}:{number}"
                yield where, "more fields than the header has" if None in row else row
                number = reader.line_num + 1
        except (csv.Error, UnicodeDecodeError) as err:
            raise UserError(f"{path.name}:{number}: no UTF-8 CSV: {err}") from err


def _parquet(path: Path) -> Iterator[PlacedRow]:
    import pyarrow
    import pyarrow.parquet

    number = 1
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    yield f"{path.name}:{number}", row
                    number += 1
    except pyarrow.ArrowInvalid as err:
        raise UserError(f"{path}: no Parquet file: {err}") from err
