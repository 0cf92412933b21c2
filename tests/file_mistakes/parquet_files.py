"""Parquet: types of columns, damage, names."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from tests.file_mistakes.made import Made, Maker, Row, parquet, table_of

COMPRESSIONS = ("none", "snappy", "zstd", "gzip")


def _answers(
    kind: pa.DataType, *pairs: tuple[Any, str], wrap: Callable[[pa.Array], pa.Array] = lambda array: array
) -> Maker:
    """A column of answers of another type: values, and the texts that they are."""

    def make(random: Random, rows: list[Row]) -> Made:
        chosen = [random.choice(pairs) for _ in rows]
        answers = wrap(pa.array([value for value, _ in chosen], kind))
        table = table_of(rows).set_column(1, "answer", answers)
        read = [(question, text) for (question, _), (_, text) in zip(rows, chosen, strict=True)]
        data = parquet(table, row_group_size=random.choice([3, 1000]), compression=random.choice(COMPRESSIONS))
        return Made(".parquet", data, read)

    return make


def _refused(kind: pa.DataType, value: Any) -> Maker:
    """One answer of a column that has no text."""

    def make(random: Random, rows: list[Row]) -> Made:
        at = random.randrange(len(rows))
        other = [None if place == at else value for place, _ in enumerate(rows)] if value is not None else None
        answers = pa.array(other if other else [None if place == at else "1" for place, _ in enumerate(rows)], kind)
        return Made(".parquet", parquet(table_of(rows).set_column(1, "answer", answers)), None, f":{at + 1}: ")

    return make


def _beside(column: Callable[[int], pa.Array]) -> Maker:
    """A column that nobody asks for, of a kind that Python does not know."""
    return lambda random, rows: Made(".parquet", parquet(table_of(rows, other=column(len(rows)))), rows)


def _lists(array: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(len(array) + 1), pa.int32()), array)


def _no_utf8(count: int) -> pa.Array:
    return pa.array([b"\xff\xfe"] * count, pa.binary()).view(pa.string())


def column_twice(random: Random, rows: list[Row]) -> Made:
    table = table_of(rows)
    return Made(".parquet", parquet(table.append_column("answer", table["answer"])), None)


def column_twice_inside(random: Random, rows: list[Row]) -> Made:
    ones = pa.array([1] * len(rows))
    twice = pa.StructArray.from_arrays([ones, ones], names=["x", "x"])
    column = random.choice([twice, _lists(twice)])
    return Made(".parquet", parquet(table_of(rows, other=column)), None)


def no_rows(random: Random, rows: list[Row]) -> Made:
    return Made(".parquet", parquet(table_of(rows).slice(0, 0)), None)


def cut(random: Random, rows: list[Row]) -> Made:
    data = parquet(table_of(rows))
    return Made(".parquet", data[: random.randrange(len(data))], None)


def damaged(random: Random, rows: list[Row]) -> Made:
    """Bytes of the pages are others; their checksums tell."""
    data = bytearray(parquet(table_of(rows * 40), write_page_checksum=True, compression=random.choice(COMPRESSIONS)))
    footer = int.from_bytes(data[-8:-4], "little") + 8
    for _ in range(random.randint(1, 20)):
        data[random.randrange(4, len(data) - footer)] = random.randrange(256)
    return Made(".parquet", bytes(data), rows * 40, is_either=True)


def damaged_without_checksums(random: Random, rows: list[Row]) -> Made:
    """Bytes anywhere are others: texts may be, but the number of rows may not."""
    data = bytearray(parquet(table_of(rows), compression=random.choice(COMPRESSIONS)))
    for _ in range(random.randint(1, 5)):
        data[random.randrange(4, len(data) - 8)] = random.randrange(256)
    return Made(".parquet", bytes(data), rows, is_either=True, has_texts=False)


DAY, FAR = datetime.date(2024, 1, 5), 253_402_300_800_000_000  # the year 10,000 in microseconds
MAKERS: dict[str, Maker] = {
    "parquet_float32": _answers(
        pa.float32(), (0.1, "0.1"), (2.7, "2.7"), (3.0, "3"), (1e22, "1" + "0" * 22), (-0.0, "0")
    ),
    "parquet_float16": _answers(pa.float16(), (0.1, "0.1"), (0.5, "0.5"), (3.0, "3")),
    "parquet_float64": _answers(
        pa.float64(), (0.1, "0.1"), (1e23, "1" + "0" * 23), (27.0, "27"), (0.1 + 0.2, "0.30000000000000004")
    ),
    "parquet_lists_of_float32": _answers(pa.float32(), (0.1, "0.1"), (2.7, "2.7"), wrap=_lists),
    "parquet_dictionary_of_float32": _answers(
        pa.float32(), (0.1, "0.1"), (2.7, "2.7"), wrap=lambda a: a.dictionary_encode()
    ),
    "parquet_decimal": _answers(
        pa.decimal128(38, 10), (Decimal("148"), "148"), (Decimal("0.10"), "0.1"), (Decimal("1" * 28), "1" * 28)
    ),
    "parquet_int8": _answers(pa.int8(), (-128, "-128"), (7, "7")),
    "parquet_uint64": _answers(pa.uint64(), (2**64 - 1, str(2**64 - 1)), (0, "0")),
    "parquet_bool": _answers(pa.bool_(), (True, "True"), (False, "False")),
    "parquet_dates": _answers(pa.date32(), (DAY, "2024-01-05")),
    "parquet_bytes": _answers(pa.binary(), (b"148", "148"), ("\u03c0".encode(), "\u03c0")),
    "parquet_large_text": _answers(pa.large_string(), ("007", "007"), ("null", "null")),
    "parquet_dictionary": _answers(pa.string(), ("NA", "NA"), ("7", "7"), wrap=lambda a: a.dictionary_encode()),
    "parquet_list_of_one": _answers(pa.list_(pa.string()), (["148"], "148")),
    "parquet_null": _refused(pa.string(), None),
    "parquet_times_far_away": _beside(lambda count: pa.array([FAR] * count, pa.timestamp("us"))),
    "parquet_times_of_no_zone": _beside(lambda count: pa.array([0] * count, pa.timestamp("us", "Mars/Olympus"))),
    "parquet_bytes_beside": _beside(lambda count: pa.array([b"\xff\xfe"] * count)),
    "parquet_text_of_no_utf8_beside": _beside(_no_utf8),
    "parquet_times_inside": _beside(lambda count: _lists(pa.array([FAR] * count, pa.timestamp("us")))),
    **{
        f"parquet_{made.__name__}": made
        for made in (column_twice, column_twice_inside, no_rows, cut, damaged, damaged_without_checksums)
    },
}
