"""Parquet: row group by row group; a damaged column stops nobody who does not need it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ufo_rl.errors import UserError
from ufo_rl.files.cells import PlacedRow, Unreadable
from ufo_rl.files.column_path import column_of

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

BATCH_ROWS = 1024  # in memory at a time
Cells = list[Any]
Mend = Callable[[Any], Any]


def parquet_rows(path: Path, needed: Collection[str], with_others: bool) -> Iterator[PlacedRow]:
    """The rows, placed `name:row` from 1: the columns that the paths `needed` lead to, and the others or not.

    UserError for a file that is damaged where it is needed; what is damaged elsewhere is an `Unreadable`.
    """
    import pyarrow
    import pyarrow.parquet

    number = 1
    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            names: list[str] = list(map(str, file.schema_arrow.names))
            _check_names(path, file.schema_arrow)
            wanted = {column_of(names, one) for one in needed}
            if not with_others and None not in wanted:  # a path that leads nowhere is told beside all columns
                names = [name for name in names if name in wanted]
            for group in range(file.num_row_groups):
                before = number
                for columns in _blocks(file, group, names):
                    _check_columns(path, names, columns, wanted)
                    for cells in zip(*columns, strict=True):
                        yield f"{path.name}:{number}", dict(zip(names, cells, strict=True))
                        number += 1
                if number - before != (there := file.metadata.row_group(group).num_rows):
                    raise UserError(f"{path}: row group {group + 1} has {number - before} of its {there} rows: damaged")
            if number - 1 != file.metadata.num_rows:
                raise UserError(f"{path}: {number - 1} of its {file.metadata.num_rows} rows are there: damaged")
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as err:  # the last of names
        raise UserError(f"{path}: no Parquet file, or a damaged one: {_said(err)}") from err


def table_rows(tables: Iterable[pyarrow.Table]) -> Iterator[dict[str, Any]]:
    """The rows of tables as those of a file are read."""
    for table in tables:
        columns = [cells_of(column) for column in table.columns]
        for cells in zip(*columns, strict=True):
            yield dict(zip(table.column_names, cells, strict=True))


def cells_of(column: pyarrow.Array | pyarrow.ChunkedArray) -> Cells:
    """The values as Python has them: numbers of half and single precision as the number that their shortest text is; a value
    that Python does not know is an `Unreadable`."""
    mend = _mend(column.type)
    try:
        cells = column.to_pylist()
    except (ArithmeticError, ValueError, LookupError):  # of dates, time zones, texts that are no UTF-8
        cells = [_cell(value) for value in column]
    return [mend(cell) for cell in cells] if mend else cells


def _check_names(path: Path, schema: pyarrow.Schema) -> None:
    if not len(schema):
        raise UserError(f"{path} has no columns")
    twice = _twice(schema, "")
    if twice:
        raise UserError(f"{path}: the column {twice} stands there more than once; rename or remove one")


def _twice(fields: Iterable[pyarrow.Field], above: str) -> str:
    """The path of a column whose name another one beside it has, "" if there is none."""
    import pyarrow as pa

    seen = set()
    for field in fields:
        path = f"{above}{field.name}"
        if field.name in seen:
            return path
        seen.add(field.name)
        kind = field.type
        while pa.types.is_nested(kind) and not pa.types.is_struct(kind) and not pa.types.is_union(kind):
            kind = kind.item_type if pa.types.is_map(kind) else kind.value_type
        if pa.types.is_struct(kind) and (inner := _twice(kind, f"{path}.")):
            return inner
    return ""


@dataclass(frozen=True)
class _Damaged(Unreadable):
    """A cell of a part of the file that cannot be read."""


def _blocks(file: pyarrow.parquet.ParquetFile, group: int, names: Sequence[str]) -> Iterator[list[Cells]]:
    """Blocks of rows of a row group: the cells of each column."""
    import pyarrow

    done = 0
    try:
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(names)):
            yield [cells_of(batch.column(name)) for name in names]
            done += len(batch)
    except (pyarrow.ArrowException, OSError):  # of one column, perhaps
        yield [_alone(file, group, name)[done:] for name in names]


def _alone(file: pyarrow.parquet.ParquetFile, group: int, name: str) -> Cells:
    """The cells of one column of a row group, as far as they can be read."""
    import pyarrow

    cells: Cells = []
    reason = "too few values"
    try:
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=[name]):
            cells += cells_of(batch.column(name))
    except (pyarrow.ArrowException, OSError) as err:
        reason = _said(err)
    num_rows = file.metadata.row_group(group).num_rows
    return cells[:num_rows] + [_Damaged(f"is damaged in row group {group + 1}: {reason}")] * (num_rows - len(cells))


def _check_columns(path: Path, names: Sequence[str], columns: Sequence[Cells], needed: Collection[str | None]) -> None:
    for name, cells in zip(names, columns, strict=True):
        if cells and isinstance(cells[-1], _Damaged) and name in needed:
            raise UserError(f"{path}: the column {name} {cells[-1].reason}; write the file again")


def _cell(value: pyarrow.Scalar) -> Any:
    try:
        return value.as_py()
    except (ArithmeticError, ValueError, LookupError) as err:
        return Unreadable(f"holds a {value.type} that cannot be read ({_said(err)})")


def _mend(kind: pyarrow.DataType) -> Mend | None:
    """What turns a value of this type into what was meant, None where it is that already."""
    import pyarrow as pa

    types = pa.types
    if types.is_float32(kind) or types.is_float16(kind):
        import numpy as np

        own = np.float32 if types.is_float32(kind) else np.float16
        return _of_values(lambda value: float(str(own(value))))
    if types.is_dictionary(kind):
        return _mend(kind.value_type)
    if types.is_struct(kind):
        mends = {field.name: mend for field in kind if (mend := _mend(field.type))}
        return _of_values(lambda row: {**row, **{name: mends[name](row[name]) for name in mends}}) if mends else None
    if types.is_map(kind):
        inner = _mend(kind.item_type)
        return _of_values(lambda pairs: [(key, inner(value)) for key, value in pairs]) if inner else None
    if types.is_nested(kind) and not types.is_union(kind):
        inner = _mend(kind.value_type)
        return _of_values(lambda values: [inner(value) for value in values]) if inner else None
    return None


def _of_values(mend: Mend) -> Mend:
    return lambda value: value if value is None or isinstance(value, Unreadable) else mend(value)


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
