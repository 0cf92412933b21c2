"""JSON Lines: an object a line; blank lines are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ufo_rl.errors import UserError
from ufo_rl.files.cells import PlacedRow
from ufo_rl.files.json_text import parse_row
from ufo_rl.files.readers.lines import decoded, lines_of

# What the first line is of a file that is JSON, but not by lines.
WHOLE = {"[": "an array", "{": "an object over several lines", "[{": "an array"}


def json_rows(path: Path) -> Iterator[PlacedRow]:
    """The rows; what a line says that is no object stands in place of its row."""
    is_first = True
    for number, line in enumerate(lines_of(path), start=1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            text = decoded(line, number)
            if is_first and (what := WHOLE.get(text.strip(), "an array" if text.lstrip().startswith("[") else "")):
                raise UserError(f"{where}: {what}; JSONL has one object a line (jq -c '.[]' makes that of an array)")
            if not text.strip():  # a byte order mark alone
                continue
            row = parse_row(text)
        except ValueError as err:
            is_first = False
            yield where, str(err)
            continue
        is_first = False
        yield where, row
