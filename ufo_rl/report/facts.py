"""What the parts of a run (selector, signals, reward, grader, dataset) want shown of it, as records of metrics.json."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypedDict

from ufo_rl.records import Fact
from ufo_rl.report.text import GAP, MAX_COLUMNS, NOTHING, count, table

MAX_CELL = 32  # characters of a heading or a value in a table


class FactRecord(TypedDict):
    """A fact and whose it is: `part` is `selector ufo`, `signal confidence` and the like, the rest as in `records.Fact`."""

    part: str
    key: str
    value: Any
    column: str | None
    text: str | None


# The first cells of a run's row, and its facts.
Rows: TypeAlias = Sequence[tuple[Sequence[str], Sequence[FactRecord]]]


def fact_records(part: str, facts: Iterable[Fact]) -> list[FactRecord]:
    """The facts of one part. ValueError, with the part and the fact, for what a report could not show.

    Keys and columns are names in one line, each once a part; a value is what JSON can hold, with finite numbers.
    """
    records: list[FactRecord] = [
        {"part": part, "key": fact.key, "value": fact.value, "column": fact.column, "text": fact.text} for fact in facts
    ]
    if not _is_line(part):
        raise ValueError(f"facts need the name of their part in one line, got {part!r}")
    for one in records:
        where = f"facts of {part}: {one['key']!r}"
        if not _is_line(one["key"]):
            raise ValueError(f"{where} is no key; give a short name in one line")
        for name in ("column", "text"):
            if one[name] is not None and not _is_line(one[name]):
                raise ValueError(f"{where} has {name}={one[name]!r}; give text in one line, or None to show none")
        one["value"] = _plain(one["value"], where)
    for name in ("key", "column"):
        twice = [
            word for word, times in Counter(one[name] for one in records).items() if word is not None and times > 1
        ]
        if twice:
            raise ValueError(f"facts of {part}: {name} {', '.join(map(repr, twice))} comes twice; a part has each once")
    return records


def _plain(value: Any, where: str) -> Any:
    """The value as JSON gives it back: a tuple becomes a list, a float of numpy a float."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        hint = "None stands for no number" if isinstance(value, float) and not math.isfinite(value) else str(error)
        raise ValueError(f"{where} has the value {value!r}, which JSON cannot hold ({hint})") from error


def _is_line(text: Any) -> bool:
    return isinstance(text, str) and bool(text.strip()) and text.isprintable()


def fact_lines(records: Sequence[FactRecord]) -> list[str]:
    """`selector ufo: 3 rows near the cut`: a line for each fact with a text."""
    return [f"{one['part']}: {one['text']}" for one in records if one["text"] is not None]


def fact_tables(header: Sequence[str], rows: Rows) -> list[str]:
    """Tables with a column for every fact that asks for one, as many beside each other as 120 columns hold.

    rows: the cells of each run under `header`, and its facts; a run without a fact has "-" there. Parts that share a
    column's name share the column, unless one run has it from two parts: then the parts' names stand before it.
    """
    clashing = {
        name for _, own in rows for name, times in Counter(one["column"] for one in own).items() if times > 1 and name
    }
    cells = [
        {
            (f"{one['part']} {one['column']}" if one["column"] in clashing else one["column"]): _cell(one["value"])
            for one in own
            if one["column"] is not None
        }
        for _, own in rows
    ]
    tables, names = [], list(dict.fromkeys(name for own in cells for name in own))
    while names:
        taken = 1
        while taken < len(names) and _width(header, rows, cells, names[: taken + 1]) <= MAX_COLUMNS:
            taken += 1
        shown, names = names[:taken], names[taken:]
        lines = [
            [*first, *(own.get(name, NOTHING) for name in shown)] for (first, _), own in zip(rows, cells, strict=True)
        ]
        tables.append(table([*header, *map(_cut, shown)], lines))
    return tables


def _width(header: Sequence[str], rows: Rows, cells: Sequence[dict[str, str]], names: Sequence[str]) -> int:
    """Columns that a table of these facts takes."""
    fixed = [max(len(row[i]) for row in (header, *(first for first, _ in rows))) for i in range(len(header))]
    own = [max(len(_cut(name)), *(len(one.get(name, NOTHING)) for one in cells)) for name in names]
    return sum(fixed) + sum(own) + len(GAP) * (len(fixed) + len(own) - 1)


def _cell(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return _cut(" ".join(value.split()) if isinstance(value, str) else json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}~"
