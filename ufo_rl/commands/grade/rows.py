"""Golds and completions of a file that another system wrote; a bad row is named before anything is graded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ufo_rl.dataset import MAX_NAMED_ROWS
from ufo_rl.dataset.rows import BadRow, required_text
from ufo_rl.errors import UserError, nearest
from ufo_rl.files.cells import NoText, Unreadable, as_json, text_of
from ufo_rl.files.column_path import chat_problem, column_of, is_list_of_texts, value_at
from ufo_rl.files.rows import read_rows
from ufo_rl.grader import Grader
from ufo_rl.launch.progress import Progress
from ufo_rl.records import Reference

log = logging.getLogger(__name__)
GOLDS_KEPT = 2**14
PROGRESS_EVERY = 1000  # rows


@dataclass(frozen=True)
class Item:
    """One row. `is_list` where its completions stand in a list: several samples of one question. An empty completion is of
    a generation that failed: wrong, and counted."""

    where: str
    row: Mapping[str, Any]
    gold: str
    completions: list[str]
    is_list: bool

    def reference(self, grader: Grader) -> Reference:
        """What its completions are graded against. BadRow where the row lacks a column that the grader reads."""
        columns = {}
        for name in grader.columns:
            if name not in self.row:
                raise BadRow(f"no column {name}, which the grader reads")
            try:
                columns[name] = as_json(self.row[name])
            except NoText as problem:
                raise BadRow(f"column {name}, which the grader reads, {problem}") from problem
        return Reference(self.gold, columns)


@dataclass(frozen=True)
class Needed:
    """Column paths of golds and completions, and the columns that the grader reads besides."""

    gold: str
    completion: str
    columns: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.gold, self.completion, *self.columns)


@dataclass(frozen=True)
class Contents:
    """What a file holds that can be graded; `columns` are those of all rows, `unreadable` says of some where and why not."""

    num_rows: int
    num_completions: int
    columns: tuple[str, ...]
    unreadable: Mapping[str, str]
    has_lists: bool


def items(path: Path, needed: Needed, with_others: bool) -> Iterator[Item]:
    """The rows of a file that `check` has passed, whole or what is needed of them. Raises UserError for others."""
    for where, row in read_rows(path, needed.paths, with_others):
        try:
            yield _item(where, row, needed)
        except BadRow as err:
            raise UserError(f"{where}: {err}") from err


def check(path: Path, needed: Needed, grader: Grader, with_others: bool) -> Contents:
    """Reads the whole file once. Raises UserError for a missing column (with the nearest ones), for every row that cannot
    be graded (the first 20 and their number), and for a file without rows."""
    problem_of = grader.problem_of if grader.columns else _remembering(grader)
    num_rows = num_completions = num_bad = num_written = 0
    has_lists, columns, unreadable, bad = False, {}, {}, []
    progress = Progress("reading")
    for where, row in read_rows(path, needed.paths, with_others):
        if num_rows == 0 and isinstance(row, Mapping):
            _check_paths(where, row, {"--gold": needed.gold, "--completion": needed.completion})
        num_rows += 1
        try:
            item = _item(where, row, needed)
            if problem := problem_of(item.reference(grader)):
                raise BadRow(f"no usable gold (column {needed.gold} is {item.gold[:40]!r}): {problem}")
        except BadRow as err:
            num_bad += 1
            bad += [f"{where}: {err}"][: MAX_NAMED_ROWS - len(bad)]
            continue
        num_completions += len(item.completions)
        has_lists |= item.is_list
        num_written += not item.is_list and is_list_of_texts(item.completions[0].strip())
        columns |= dict.fromkeys(item.row)
        for name, cell in item.row.items():
            if isinstance(cell, Unreadable):
                unreadable.setdefault(name, f"{where}: it {cell.reason}")
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
    if num_written == num_rows:
        log.warning(
            "%s: every completion is the text of a list, and is graded as one text; where several samples are meant, write the "
            "file as JSONL or Parquet, or take the first with --completion %s.0",
            path,
            needed.completion,
        )
    return Contents(num_rows, num_completions, tuple(columns), unreadable, has_lists)


def _item(where: str, row: Mapping[str, Any] | str, needed: Needed) -> Item:
    if isinstance(row, str):
        raise BadRow(row)
    gold, completion = required_text(row, "gold", needed.gold), needed.completion
    if column_of(row, completion) is None:
        raise BadRow(f"no completion (column {completion} is missing)")
    try:
        found = value_at(row, completion)
        if not isinstance(found, list | tuple):
            if problem := chat_problem(text := text_of(found, completion), completion):
                raise NoText(problem)
            return Item(where, row, gold, [text], False)
        texts = [text_of(value, f"{completion}.{place}") for place, value in enumerate(found)]
    except NoText as problem:
        raise BadRow(f"completion (column {completion}) {problem}") from problem
    if not texts:
        raise BadRow(f"no completion (column {completion} is an empty list)")
    return Item(where, row, gold, texts, True)


def _check_paths(where: str, row: Mapping[str, Any], paths: Mapping[str, str]) -> None:
    names = [str(name) for name in row]
    problems = [
        f"{flag} {path}: {where} has no such column{nearest(path, names)} (columns: {', '.join(names)})"
        for flag, path in paths.items()
        if column_of(names, path) is None
    ]
    if problems:
        raise UserError(*problems)


def _remembering(grader: Grader) -> Callable[[Reference], str]:
    """The same problem for the same answer, asked once: files hold each of them many times."""
    known = lru_cache(GOLDS_KEPT)(lambda answer: grader.problem_of(Reference(answer)))
    return lambda reference: known(reference.answer)
