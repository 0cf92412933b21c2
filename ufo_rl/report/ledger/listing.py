"""The ledger as text: a table for each folder that holds runs, then why some are not done, and the command that goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ufo_rl.config.display_name import shortest
from ufo_rl.report.disk.how_far import STATES, UNFINISHED
from ufo_rl.report.ledger.entries import Entry
from ufo_rl.report.text import MAX_COLUMNS, NOTHING, fit, percent, table

MAX_KEYS, MAX_BENCHMARKS, MAX_VALUE_CHARS = 5, 3, 24
UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))


def ledger_table(entries: Sequence[Entry]) -> str:
    """All entries, those of one folder together, the folder that was written to last at the end."""
    return "\n\n".join(_group(folder, own) for folder, own in _groups(entries))


def counts(entries: Sequence[Entry]) -> str:
    """12 jobs: 2 failed, 10 completed"""
    found = Counter(entry.state.name for entry in entries)
    told = ", ".join(f"{found[name]} {name}" for name in STATES if found[name])
    return f"{len(entries)} {'job' if len(entries) == 1 else 'jobs'}: {told}"


def differing(entries: Sequence[Entry]) -> list[str]:
    """The keys in which the commands of these entries differ, those that most of them set first, else as they stand there."""
    keys = Counter(key for entry in entries for key in entry.words)
    return [key for key, _ in keys.most_common() if len({entry.value(key) for entry in entries}) > 1]


def age(entry: Entry) -> str:
    """Since it was begun: 3 min, 2 h, 5 d."""
    began = _began(entry)
    if not began:
        return NOTHING
    passed = max(0.0, time.time() - began)
    return next((f"{passed / size:.0f} {unit}" for unit, size in UNITS if passed >= size), "now")


def _began(entry: Entry) -> float:
    try:
        return datetime.strptime(entry.created, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return entry.state.seen


def ledger_rows(entries: Sequence[Entry]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, header and rows for each folder that holds some."""
    return [(f"{_shown(folder)}  {counts(own)}", *_rows(own)[:2]) for folder, own in _groups(entries)]


def _groups(entries: Sequence[Entry]) -> list[tuple[Path, list[Entry]]]:
    groups: dict[Path, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.folder.parent, []).append(entry)
    return sorted(groups.items(), key=lambda item: max(_began(entry) for entry in item[1]))


def _rows(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, rows, and the keys and benchmarks that found no room."""
    known = [entry for entry in entries if entry.kind != "foreign"]
    keys = differing([entry for entry in known if entry.words])
    names = list(dict.fromkeys(name for entry in known for name in entry.results))
    benchmarks = names[:MAX_BENCHMARKS]
    for number in range(min(len(keys), MAX_KEYS), -1, -1):
        header, rows = _filled(known, keys[:number], benchmarks)
        if len(table(header, rows).partition("\n")[0]) <= MAX_COLUMNS:
            break
    return header, rows, [*keys[number:], *names[MAX_BENCHMARKS:]]


def _filled(
    known: Sequence[Entry], shown: Sequence[str], benchmarks: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    header = ["run", "state", *shortest(shown), *benchmarks, "cost", "age"]
    rows = [
        [
            entry.short,
            entry.state.name,
            *(_cut(entry.value(key)) for key in shown),
            *(_accuracy(entry, name) for name in benchmarks),
            _cost(entry),
            age(entry),
        ]
        for entry in known
    ]
    return header, rows


def _group(folder: Path, entries: Sequence[Entry]) -> str:
    header, rows, left = _rows(entries)
    more = [f"not shown: {', '.join(left)}"] if left else []
    lines = [
        f"{_shown(folder)}  {counts(entries)}",
        *([table(header, rows)] if rows else []),
        *more,
        *_reasons(entries),
    ]
    return fit("\n".join(lines))


def _reasons(entries: Sequence[Entry]) -> list[str]:
    """Why some are not done, and how to go on, once for all jobs of one command line."""
    lines = [f"{entry.name}: {', '.join(entry.notes)}" for entry in entries if entry.notes]
    lines += [
        f"{entry.name}: {entry.state.why}" for entry in entries if entry.state.name not in ("completed", "planned")
    ]
    again = dict.fromkeys(entry.started_by for entry in entries if entry.state.name in UNFINISHED and entry.started_by)
    return lines + [f"to go on: {command}" for command in again]


def _accuracy(entry: Entry, benchmark: str) -> str:
    if benchmark not in entry.results:
        return NOTHING
    before, after = entry.results[benchmark]
    return percent(after) if before is None else f"{percent(before)} -> {percent(after)}"


def _cost(entry: Entry) -> str:
    if entry.hours is not None:
        return f"{entry.hours:.2f} GPU-h"
    return NOTHING if entry.seconds is None else duration(entry.seconds)


def duration(seconds: float) -> str:
    """45 s, 12 min, 3.4 h"""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cut(value: str) -> str:
    return value if len(value) <= MAX_VALUE_CHARS else f"{value[: MAX_VALUE_CHARS - 1]}~"


def _shown(folder: Path) -> str:
    """Relative to where the command was started, if it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
