"""What a maker returns, honest rows, and honest files of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[str, str]  # question, answer


@dataclass(frozen=True)
class Made:
    """A file. `rows` are those that it holds, None where it must be refused, then with `place` in what is told.

    `is_either`: it may be refused too. `has_texts`: False where damage that nothing can notice may have changed texts.
    """

    suffix: str
    data: bytes
    rows: list[Row] | None
    place: str = ""
    is_either: bool = False
    has_texts: bool = True


Maker = Callable[[Random, list[Row]], Made]

WORDS = (
    'How many, "if" any?',
    "2 + 2 = ?",
    "a \u2028 b",
    "a\nb",
    "x < y; z",
    "Cafe\u0301",
    r"$\frac{1}{2}$",
    "a\tb",
    "\u5c71",
    "'q'",
)
ANSWERS = (
    "7",
    "007",
    "-12",
    "0.10",
    "1,080",
    r"\frac{1}{2}",
    "NA",
    "null",
    "None",
    "nan",
    "True",
    "1e5",
    "[1, 2]",
    "A",
    "1/2",
)


def honest_rows(random: Random) -> list[Row]:
    return [(f"{n}: {random.choice(WORDS)}", random.choice(ANSWERS)) for n in range(random.randint(4, 30))]


def one_line_each(rows: list[Row]) -> list[Row]:
    """Without line breaks and quotes in cells: lines and rows are the same."""
    return [(question.replace("\n", " ").replace('"', ""), answer) for question, answer in rows]


def json_text(rows: list[Row], end: str = "\n", **more: Any) -> str:
    lines = [{"question": question, "answer": answer, **more} for question, answer in rows]
    return "".join(json.dumps(line, ensure_ascii=False) + end for line in lines)


def csv_text(rows: list[Row], end: str = "\n", **options: Any) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator=end, **options).writerows([("question", "answer"), *rows])
    return stream.getvalue()


def any_text(random: Random, rows: list[Row], end: str = "\n") -> tuple[str, str]:
    """Suffix and text of a file."""
    return (".jsonl", json_text(rows, end)) if random.random() < 0.5 else (".csv", csv_text(rows, end))


def parquet(table: pa.Table, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def table_of(rows: list[Row], **more: Any) -> pa.Table:
    return pa.table({"question": [q for q, _ in rows], "answer": [a for _, a in rows], **more})
