"""Golds and completions of a file that another system wrote; a bad row is named before anything is graded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ufo_rl.dataset import MAX_NAMED_ROWS
from ufo_rl.dataset.rows import BadRow, text_at, value_at
from ufo_rl.errors import UserError, nearest
from ufo_rl.files.rows import read_rows
from ufo_rl.grader import Grader
from ufo_rl.launch.progress import Progress
from ufo_rl.records import Reference

GOLDS_KEPT = 2**14
PROGRESS_EVERY = 1000  # rows


@dataclass(frozen=True)
class Item:
    """One row. `is_list` where its completions stand in a list: several samples of one question."""

    where: str
    row: Mapping[str, Any]
    gold: str
    completions: list[str]
    is_list: bool

    def reference(self, grader: Grader) -> Reference:
        """What its completions are graded against. KeyError where the row lacks a column that the grader reads."""
        return Reference(self.gold, {name: self.row[name] for name in grader.columns})


@dataclass(frozen=True)
class Contents:
    """What a file holds that can be graded; `columns` are those of all rows."""

    num_rows: int
    num_completions: int
    columns: tuple[str, ...]
    has_lists: bool


def items(path: Path, gold: str, completion: str) -> Iterator[Item]:
    """The rows of a file that `check` has passed; gold and completion are column paths. Raises UserError for others."""
    for where, row in read_rows(path):
        try:
            yield _item(where, row, gold, completion)
        except BadRow as err:
            raise UserError(f"{where}: {err}") from err


def check(path: Path, gold: str, completion: str, grader: Grader) -> Contents:
    """Reads the whole file once. Raises UserError for a missing column (with the nearest ones), for every row that cannot
    be graded (the first 20 and their number), and for a file without rows."""
    problem_of = grader.problem_of if grader.columns else _remembering(grader)
    num_rows = num_completions = num_bad = 0
    has_lists, columns, bad = False, {}, []
    progress = Progress("reading")
    for where, row in read_rows(path):
        if num_rows == 0 and isinstance(row, Mapping):
            _check_paths(where, row, {"--gold": gold, "--completion": completion})
        num_rows += 1
        try:
            item = _item(where, row, gold, completion)
            if lacking := [name for name in grader.columns if name not in item.row]:
                raise BadRow(f"no column {lacking[0]}, which the grader reads")
            if problem := problem_of(item.reference(grader)):
                raise BadRow(f"no usable gold (column {gold} is {item.gold[:40]!r}): {problem}")
        except BadRow as err:
            num_bad += 1
            bad += [f"{where}: {err}"][: MAX_NAMED_ROWS - len(bad)]
            continue
        num_completions += len(item.completions)
        has_lists |= item.is_list
        columns |= dict.fromkeys(item.row)
        if num_rows % PROGRESS_EVERY == 0:
            progress.update(num_rows, None, "rows")
    progress.close()
    if bad:
        rest = [f"... and {num_bad - len(bad)} more rows"] if num_bad > len(bad) else []
        raise UserError(
            f"{path}: {num_bad} of {num_rows} rows cannot be graded, so none was; mend or remove them:", *bad, *rest
        )
    if not num_rows:
        raise UserError(f"{path} has no rows")
    return Contents(num_rows, num_completions, tuple(columns), has_lists)


def _item(where: str, row: Mapping[str, Any] | str, gold: str, completion: str) -> Item:
    if isinstance(row, str):
        raise BadRow(row)
    reference = text_at(row, "gold", gold)
    if completion.split(".")[0] not in row:
        raise BadRow(f"no completion (column {completion} is missing)")
    found = value_at(row, completion)
    if not isinstance(found, list | tuple):
        return Item(where, row, reference, [_text(found, completion, "content")], False)
    if not found:
        raise BadRow(f"no completion (column {completion} is an empty list)")
    return Item(where, row, reference, [_text(value, completion, "0.content") for value in found], True)


def _text(value: Any, path: str, inside: str) -> str:
    """A completion as it stands; null, of a generation that failed, is an empty one: wrong, and counted."""
    if isinstance(value, str | int | float | None):
        return "" if value is None else str(value)
    raise BadRow(
        f"completion (column {path}) holds a {type(value).__name__}, not text; name a column inside it, such as "
        f"{path}.{inside}"
    )


def _check_paths(where: str, row: Mapping[str, Any], paths: Mapping[str, str]) -> None:
    names = [str(name) for name in row]
    problems = [
        f"{flag} {path}: {where} has no such column{nearest(path, names)} (columns: {', '.join(names)})"
        for flag, path in paths.items()
        if path.split(".")[0] not in names
    ]
    if problems:
        raise UserError(*problems)


def _remembering(grader: Grader) -> Callable[[Reference], str]:
    """The same problem for the same answer, asked once: files hold each of them many times."""
    known = lru_cache(GOLDS_KEPT)(lambda answer: grader.problem_of(Reference(answer)))
    return lambda reference: known(reference.answer)
