"""Rows to a JSONL or Parquet file, block by block: the file appears when all are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import writing
from ufo_rl.files.cells import NoText, text_of
from ufo_rl.files.readers.parquet_file import BATCH_ROWS
from ufo_rl.files.rows import read_rows

if TYPE_CHECKING:
    import pyarrow

Mappings = Sequence[Mapping[str, Any]]
T = TypeVar("T")


def blocks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    left = iter(items)
    while block := list(islice(left, size)):
        yield block


def schema_of(path: Path, left_out: Collection[str] = ()) -> pyarrow.Schema:
    """The columns of a JSONL, CSV or Parquet file as Parquet has them, read in blocks. UserError where rows disagree."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        schema = pq.read_schema(path).remove_metadata()  # of pandas or datasets: it would not fit other columns
        return pa.schema([field for field in schema if field.name not in left_out])
    schema = pa.schema([])
    with _told(path):
        for block in blocks((row for _, row in read_rows(path) if isinstance(row, Mapping)), BATCH_ROWS):
            names = dict.fromkeys(name for row in block for name in row if name not in left_out)
            found = pa.table({name: pa.array([row.get(name) for row in block]) for name in names}).schema
            schema = pa.unify_schemas([schema, found], promote_options="permissive")
    return schema


@contextmanager
def row_writer(path: Path, schema: pyarrow.Schema | None) -> Iterator[Callable[[Mappings], None]]:
    """A function that adds rows to the file; `path` is untouched until the block ends, and after a failure.

    `.parquet` needs the schema. Values that JSON does not know (dates, bytes) become text in JSONL.
    """
    with writing(path) as temporary:
        if path.suffix == ".jsonl":
            with temporary.open("wb") as stream:
                yield lambda rows: stream.writelines(_line(row) for row in rows)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        assert schema is not None
        with _told(path), pq.ParquetWriter(temporary, schema) as writer:
            yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as err:
        reason = str(err).splitlines()[0]
        raise UserError(f"{path}: Parquet cannot hold these rows ({reason}); write them to a .jsonl file") from err


def _line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, default=_text)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can hold it, UTF-8 cannot
        return f"{json.dumps(row, default=_text)}\n".encode()


def _text(value: Any) -> str:
    try:
        return text_of(value, "")
    except NoText:
        return str(value)
