"""The tables of a run folder, read for people: rows of some columns, nothing where a file is not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError


def rows_of(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a Parquet file with those of the columns that it has (None: all); [] if there is no file. UserError
    for a file that cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return []
    try:
        there = pq.read_schema(path).names
        return pq.read_table(path, columns=[name for name in columns or there if name in there]).to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]})") from error
