"""CSV with one thing wrong: quotes, numbers of cells, headers, separators."""

from __future__ import annotations

import csv
from collections.abc import Callable
from random import Random

from tests.file_mistakes.made import Made, Maker, Row, csv_text, one_line_each


def _numbers(random: Random, rows: list[Row]) -> list[Row]:
    """Questions of no comma and answers that are numbers: a line is a row whatever is done to its quotes."""
    return [(f"{n}+{n}=", str(2 * n)) for n, _ in enumerate(rows)]


def _in_line(change: Callable[[Random, str], str], is_quoted: bool = False) -> Maker:
    """The text of one line is another: refused with its number."""

    def make(random: Random, rows: list[Row]) -> Made:
        options = {"quoting": csv.QUOTE_ALL} if is_quoted else {}
        lines = csv_text(_numbers(random, rows), **options).split("\n")
        at = random.randrange(1, len(rows) + 1)
        lines[at] = change(random, lines[at])
        return Made(".csv", "\n".join(lines).encode(), None, f":{at + 1}: ")

    return make


def _header(header: str, row: str = "{line}", place: str = ":1: ", is_refused: bool = True) -> Maker:
    """Another header, and rows that fit it."""

    def make(random: Random, rows: list[Row]) -> Made:
        rows = _numbers(random, rows)
        text = "\n".join([header, *(row.format(line=",".join(cells), cells=cells) for cells in rows)])
        return Made(".csv", text.encode(), None, place) if is_refused else Made(".csv", text.encode(), rows)

    return make


def _written(**options: object) -> Maker:
    """Another, but right way to write the rows."""
    return lambda random, rows: Made(".csv", csv_text(rows, **options).encode(), rows)


def two_stray_quotes(random: Random, rows: list[Row]) -> Made:
    """One at the beginning of a cell, one at the end of another: all rows between them would be one cell."""
    lines = csv_text(_numbers(random, rows)).split("\n")
    first, last = sorted(random.sample(range(1, len(rows) + 1), 2))
    lines[first] = '"' + lines[first]
    question, _, answer = lines[last].partition(",")
    lines[last] = f'{question}",{answer}'
    return Made(".csv", "\n".join(lines).encode(), None, f":{first + 1}: ")


def a_quote_inside_a_cell(random: Random, rows: list[Row]) -> Made:
    rows = [(question.replace("=", '" tall'), answer) for question, answer in _numbers(random, rows)]
    text = "\n".join(["question,answer", *map(",".join, rows)])
    return Made(".csv", text.encode(), rows)


def texts_of_several_lines(random: Random, rows: list[Row]) -> Made:
    rows = [(f"{n}, first\n\nsecond, line\r\nthird\rfourth, {n}", str(n)) for n, _ in enumerate(rows)]
    return Made(".csv", csv_text(rows).encode(), rows)


def cut_inside_a_quote(random: Random, rows: list[Row]) -> Made:
    text = csv_text(one_line_each(rows), quoting=csv.QUOTE_ALL).encode()
    return Made(".csv", text[: text.rindex(b'","') - random.randrange(2)], None, f":{len(rows) + 1}: ")


MAKERS: dict[str, Maker] = {
    "csv_quote_never_closed": _in_line(lambda random, line: '"' + line),
    "csv_quote_never_closed_in_the_last_cell": _in_line(lambda random, line: line.replace(",", ',"')),
    "csv_closing_quote_lost": _in_line(lambda random, line: line.replace('","', ',"'), is_quoted=True),
    "csv_last_quote_lost": _in_line(lambda random, line: line[:-1], is_quoted=True),
    "csv_text_behind_a_quote": _in_line(lambda random, line: line.replace('",', '"x,'), is_quoted=True),
    "csv_quote_after_a_backslash": _in_line(lambda random, line: line.replace("=", r"\"=\""), is_quoted=True),
    "csv_cell_too_many": _in_line(lambda random, line: line + random.choice([",", ",5", ",,"])),
    "csv_cell_too_few": _in_line(lambda random, line: line.partition(",")[0]),
    "csv_comma_in_a_bare_cell": _in_line(lambda random, line: line.replace("+", ", ")),
    "csv_column_twice": _header("question,answer,answer", "{line},9"),
    "csv_column_twice_apart": _header("answer,question,answer", "9,{line}"),
    "csv_without_names_twice": _header(",,question,answer", "1,2,{line}"),
    "csv_nameless_column_with_cells": _header("question,answer,,", "{line},,7", ":2: "),
    "csv_nameless_columns_at_the_end": _header("question,answer,,", "{line},,", is_refused=False),
    "csv_index_of_pandas": _header(",question,answer", "5,{line}", is_refused=False),
    "csv_semicolons": _header("question;answer", "{cells[0]};{cells[1]}"),
    "csv_tabs": _header("question\tanswer", "{cells[0]}\t{cells[1]}"),
    "csv_spaces_in_the_header": _header("question, answer", place=":2 has "),
    "csv_without_a_header": _header("1+1=,2", place=":2 has "),
    "csv_header_alone": lambda random, rows: Made(".csv", b"question,answer\n", None),
    "csv_header_never_closed": lambda random, rows: Made(".csv", b'question,"answer\n' + csv_text(rows).encode(), None),
    "csv_all_quoted": _written(quoting=csv.QUOTE_ALL),
    "csv_texts_quoted": _written(quoting=csv.QUOTE_NONNUMERIC),
    "csv_two_stray_quotes": two_stray_quotes,
    "csv_quote_inside_a_cell": a_quote_inside_a_cell,
    "csv_texts_of_several_lines": texts_of_several_lines,
    "csv_cut_inside_a_quote": cut_inside_a_quote,
}
