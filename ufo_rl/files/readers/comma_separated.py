"""CSV: a header and rows of as many cells, separated by commas; text stays as it is written."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ufo_rl.errors import UserError
from ufo_rl.files.cells import PlacedRow
from ufo_rl.files.readers.lines import decoded, lines_of

MAX_FIELD = 1 << 30  # characters of one cell; Python's default of 131,072 is less than a long completion
NUMBER, WORD = "a number", "a word"
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def csv_rows(path: Path) -> Iterator[PlacedRow]:
    """The rows, placed by the line they begin at. UserError where the file cannot be cut into rows and cells."""
    csv.field_size_limit(MAX_FIELD)
    records = _records(path)
    where, header, _ = next(records, ("", [], []))
    names = _names(where, header)
    for where, cells, lines in records:
        problem = _problem(header, names, cells) or _swallowed(cells, lines)
        yield where, problem or dict(zip(names, cells, strict=False))


def _records(path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Place, cells and lines of each record, blank lines left out."""
    lines: list[str] = []

    def fed() -> Iterator[str]:
        for number, line in enumerate(lines_of(path), start=1):
            try:
                lines.append(decoded(line, number))
            except ValueError as err:
                raise UserError(f"{path.name}:{number}: {err}") from err
            yield lines[-1]

    reader = csv.reader(fed(), strict=True)
    header: list[str] = []
    while True:
        lines.clear()
        where = f"{path.name}:{reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as err:
            raise UserError(f"{where}: {_quoting(header, lines, str(err))}") from err
        if cells is None:
            return
        if any(map(str.strip, lines)):
            header = header or cells
            yield where, cells, lines


def _names(where: str, header: Sequence[str]) -> list[str]:
    """The names of the columns, without the nameless ones at the end that spreadsheets write."""
    if len(header) == 1:
        for sign, word in SEPARATORS.items():
            if sign in header[0]:
                raise UserError(f"{where}: one column, {header[0]!r}: its cells are separated by {word}; use commas")
    num_named = max((place for place, name in enumerate(header, start=1) if name.strip()), default=0)
    names = list(header[:num_named])
    for place, name in enumerate(names):
        if name in names[:place]:
            raise UserError(
                f"{where}: the column {name or 'without a name'} stands there twice, as column {names.index(name) + 1} and "
                f"{place + 1}; rename or remove one"
            )
    return names


def _problem(header: Sequence[str], names: Sequence[str], cells: Sequence[str]) -> str:
    """Why a record is no row of this header, "" if it is one."""
    if len(cells) != len(header):
        cure = "; a cell that holds a comma stands in quotes" if len(cells) > len(header) else ""
        return f"{len(cells)} cells where the header has {len(header)}{cure}"
    if any(map(str.strip, cells[len(names) :])):
        return "a cell in a column without a name; name the column in the header"
    return "a NUL byte in the text; the file is damaged or no UTF-8" if any("\0" in cell for cell in cells) else ""


def _quoting(header: Sequence[str], lines: Sequence[str], reason: str) -> str:
    """What is wrong with the quotes of a record, and in which column."""
    place = _place_of_last_quoted("".join(lines))
    column = f"column {header[place - 1]}" if place <= len(header) else f"column {place}"
    if "unexpected end" in reason:
        return f"no CSV: a quote that is opened here ({column}) is never closed"
    if "expected after" not in reason:
        return f"no CSV: {reason}"
    last = f", read up to {len(lines) - 1} lines further," if len(lines) > 1 else ""
    return (
        f"no CSV: text behind the closing quote of a cell that is opened here ({column}){last} so a quote is missing or too "
        'many; a quote inside a quoted cell is written twice ("")'
    )


def _place_of_last_quoted(text: str) -> int:
    """The number of the cell whose closing quote has text behind it, or that is never closed."""
    place, is_quoted, at = 1, False, 0
    while at < len(text):
        char, following = text[at], text[at + 1 : at + 2]
        if is_quoted and char == following == '"':
            at += 1
        elif is_quoted and char == '"':
            is_quoted = False
            if following not in (",", "\r", "\n", ""):
                break
        elif char == "," and not is_quoted:
            place += 1
            is_quoted = following == '"'
            at += is_quoted
        elif char == '"' and at == 0:
            is_quoted = True
        at += 1
    return place


def _swallowed(cells: Sequence[str], lines: Sequence[str]) -> str:
    """Why a record of several lines is rather that many rows, "" if it is not.

    Two stray quotes make one cell of all rows between them, which no parser can tell from a text of several lines. A text
    does not, as a rule, have in each of its lines as many commas as a row, and a number where the row has one; or, where the
    row has none, a single word.
    """
    if len(lines) < 2:
        return ""
    rows = [line.rstrip("\r\n").replace('"', "").split(",") for line in lines]
    if any(len(row) != len(cells) for row in rows):
        return ""
    shapes = [_shape(cell) for cell in cells]
    alike = [shape == "" or all(_shape(row[place]) == shape for row in rows) for place, shape in enumerate(shapes)]
    numbers = [is_alike for is_alike, shape in zip(alike, shapes, strict=True) if shape == NUMBER]
    words = [is_alike for is_alike, shape in zip(alike, shapes, strict=True) if shape]
    if not (all(numbers) if numbers else any(words)):
        return ""
    return (
        f"a quoted cell of {len(lines)} lines that are each a row: a quote too many in the first and the last? If it is one "
        "cell, write the file as JSONL"
    )


def _shape(cell: str) -> str:
    """A number, a word of letters, another text without spaces by its first sign, such as the backslash of LaTeX; "" for
    what prose may hold behind a comma."""
    try:
        float(cell)
    except ValueError:
        if cell.isalpha():
            return WORD
        return "" if not cell or cell[0].isalnum() or any(map(str.isspace, cell)) else cell[0]
    return NUMBER
