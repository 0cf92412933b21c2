"""From rows of any shape to a pool: columns, duplicates, and every bad row named."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ufo_rl.errors import UserError, nearest
from ufo_rl.files.cells import NoText, PlacedRow, as_json
from ufo_rl.files.column_path import chat_problem, column_of, text_at
from ufo_rl.grader.math.text.extract import boxed
from ufo_rl.records import OWN, TEXTS, Drop, Pool, Prompt, prompt_id

log = logging.getLogger(__name__)
REQUIRED = ("question", "answer")
OPTIONAL = ("solution", "level", "subject")

THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


@dataclass(frozen=True)
class ColumnMapping:
    """Where the parts of a prompt stand in a row.

    `question`, `answer`, `solution`, `level`, `subject` are column paths: names and list places joined by dots, such as
    `prompt.0.content`; None for a part the source does not have. The patterns are regular expressions with one group,
    the text to keep (`####\\s*(.+)`); every row must match. `answer_boxed` takes the last `\\boxed{}` of the answer's
    column, which no pattern can: its braces nest. `solution_remove` matches what to cut from solutions.
    `strip_thousands` turns the answer 1,080 into 1080 (only where the whole answer is such a number). `carried` names the
    columns that a prompt carries besides, for graders, rewards and selectors; None: all that no part is taken from.
    """

    question: str
    answer: str
    question_pattern: str | None = None
    answer_pattern: str | None = None
    answer_boxed: bool = False
    solution: str | None = None
    solution_remove: str | None = None
    level: str | None = None
    subject: str | None = None
    strip_thousands: bool = False
    carried: Sequence[str] | None = ()

    def __post_init__(self) -> None:
        for key in TEXTS:
            path = getattr(self, key)
            if not (isinstance(path, str) and path) and (path is not None or key in REQUIRED):
                raise ValueError(f"{key}={path} must be the name of a column, for example {key}={key}")
        for key in ("question_pattern", "answer_pattern", "solution_remove"):
            pattern = getattr(self, key)
            if pattern is None:
                continue
            try:
                num_groups = re.compile(pattern).groups
            except re.error as err:
                raise ValueError(f"{key}={pattern} is no regular expression: {err}") from err
            if key != "solution_remove" and num_groups != 1:
                raise ValueError(f"{key}={pattern} must have one group, the text to keep; it has {num_groups}")
        if self.answer_boxed and self.answer_pattern is not None:
            raise ValueError(f"answer_boxed=true and answer_pattern={self.answer_pattern} exclude each other; take one")

    def paths(self) -> list[str]:
        """Every column path that a prompt cannot be made without."""
        return [path for part in TEXTS if (path := getattr(self, part))] + list(self.carried or ())

    def missing_in(self, names: Collection[str]) -> list[tuple[str, str]]:
        """The keys and their columns that are not among `names`."""
        parts = [(part, path) for part in TEXTS if (path := getattr(self, part)) and column_of(names, path) is None]
        return parts + [("columns", name) for name in self.carried or () if name not in names]

    @classmethod
    def read(cls, key: str, mapping: Mapping[str, Any]) -> ColumnMapping:
        """The columns that a YAML mapping names; ValueError for unknown or missing keys."""
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in mapping if name not in known]:
            raise ValueError(
                f"{key}: unknown {', '.join(unknown)}{nearest(unknown[0], known)}; keys: {', '.join(known)}"
            )
        return cls(**{**dict.fromkeys(REQUIRED), **mapping})


class BadRow(Exception):
    """Why a row cannot become a prompt."""


def to_pool(rows: Iterable[PlacedRow], columns: ColumnMapping, source: str) -> Pool:
    """Prompts in row order, unique by id: the first of equal questions stays, the others are listed as dropped.

    A repeated question with another answer is dropped as `conflicting_label`, with the same answer as `duplicate`. Rows
    that hold no prompt are listed as unusable. A column that nobody named and that cannot be carried is left out, with a
    warning. Raises UserError naming a column that does not exist with the nearest one that does, or `source` when it has no
    rows.
    """
    pool, kept, left_out, names = Pool(prompts=[], source=source), {}, {}, dict[str, None]()
    for where, row in rows:
        if pool.num_rows == 0 and isinstance(row, Mapping):
            _check_first(row, columns, where)
        names |= dict.fromkeys(map(str, row)) if isinstance(row, Mapping) else {}
        pool.num_rows += 1
        try:
            prompt = _prompt(row, columns, where, left_out)
        except BadRow as err:
            pool.unusable.append(f"{where}: {err}")
            continue
        first = kept.setdefault(prompt.id, (prompt, where))
        if first[0] is prompt:
            pool.prompts.append(prompt)
            pool.places.append(where)
        elif first[0].answer == prompt.answer:
            pool.drops.append(Drop("duplicate", where, first[0].id))
        else:
            detail = f"{prompt.id}: answer {prompt.answer}, kept {first[0].answer} of {first[1]}"
            pool.drops.append(Drop("conflicting_label", where, detail))
    if not pool.num_rows:
        raise UserError(f"{source} has no rows; choose another file or split")
    _check_all(pool, columns, list(names))
    _leave_out(pool, left_out)
    return pool


def _check_first(row: Mapping[str, Any], columns: ColumnMapping, where: str) -> None:
    """All columns that the first row lacks, in one message, where one is among them that every row must have. The others may
    come later: `_check_all`."""
    names = list(map(str, row))
    if any(column_of(names, getattr(columns, part)) is None for part in REQUIRED):
        _refuse(columns.missing_in(names), names, where)


def _check_all(pool: Pool, columns: ColumnMapping, names: Sequence[str]) -> None:
    """The same of columns that no row has, and of paths that lead nowhere in all of them. `names` are those of all rows."""
    if not pool.prompts:
        return
    _refuse(columns.missing_in(names), names, pool.source)
    nowhere = [
        f"{part}={path}: nothing stands there in any row of {pool.source}; {part}=null takes none"
        for part in OPTIONAL
        if (path := getattr(columns, part)) and path not in names
        if not any(getattr(prompt, part) for prompt in pool.prompts)
    ]
    if nowhere:
        raise UserError(*nowhere)


def _leave_out(pool: Pool, columns: Mapping[str, str]) -> None:
    """Takes columns out of all prompts; `columns` says of each where and why it cannot be carried."""
    for name, why in columns.items():
        log.warning(
            "%s: the column %s is left out, nothing gets it (%s); name the columns to carry, dataset.columns=[...], or none, "
            "dataset.columns=[]",
            pool.source,
            name,
            why,
        )
    if columns:
        pool.prompts = [
            replace(prompt, columns={name: value for name, value in prompt.columns.items() if name not in columns})
            for prompt in pool.prompts
        ]


def _prompt(row: Mapping[str, Any] | str, columns: ColumnMapping, where: str, left_out: dict[str, str]) -> Prompt:
    if isinstance(row, str):
        raise BadRow(row)
    question = required_text(row, "question", columns.question)
    if not columns.question_pattern and (problem := chat_problem(question, columns.question)):
        raise BadRow(f"question (column {columns.question}) {problem}")
    question = _matched("question", question, columns.question_pattern)
    answer = _answer(required_text(row, "answer", columns.answer), columns)
    solution, level, subject = (
        _text(row, name, path) if path else "" for name, path in ((part, getattr(columns, part)) for part in OPTIONAL)
    )
    if columns.solution_remove:
        solution = re.sub(columns.solution_remove, "", solution)
    question = unicodedata.normalize("NFC", question).strip()
    carried = _carried(row, columns, where, left_out)
    return Prompt(
        prompt_id(question), question, answer, solution, level, subject, **({"columns": carried} if carried else {})
    )


def _carried(row: Mapping[str, Any], columns: ColumnMapping, where: str, left_out: dict[str, str]) -> dict[str, Any]:
    """The columns that the prompt carries besides, as JSON has them. One that cannot be carried is added to `left_out`,
    or makes the row a bad one where the mapping names it."""
    names = columns.carried
    if names is None:
        taken = {column_of(row, path) for part in TEXTS if (path := getattr(columns, part))}
        names = [name for name in row if name not in taken and name not in OWN]
    carried = {}
    for name in names:
        try:
            carried[name] = as_json(row.get(name))
        except NoText as problem:
            if columns.carried is not None:
                raise BadRow(f"column {name} {problem}") from problem
            left_out.setdefault(name, f"{where}: it {problem}")
    return carried


def _answer(text: str, columns: ColumnMapping) -> str:
    """The bare reference answer in the text of its column."""
    answer = boxed(text) if columns.answer_boxed else _matched("answer", text, columns.answer_pattern)
    if columns.answer_boxed and not answer:
        raise BadRow(f"no answer: no complete \\boxed{{..}} in column {columns.answer}")
    if columns.strip_thousands and THOUSANDS.fullmatch(answer):
        answer = answer.replace(",", "")
    return answer


def required_text(row: Mapping[str, Any], name: str, path: str) -> str:
    """The text of the part `name` at a column path; BadRow if there is none."""
    if text := _text(row, name, path):
        return text
    raise BadRow(f"no {name} (column {path} is empty or missing)")


def _text(row: Mapping[str, Any], name: str, path: str) -> str:
    try:
        return text_at(row, path)
    except NoText as problem:
        raise BadRow(f"{name} (column {path}) {problem}") from problem


def _matched(name: str, text: str, pattern: str | None) -> str:
    if pattern is None:
        return text
    match = re.search(pattern, text)
    if match is None or not match[1].strip():
        raise BadRow(f"no {name}: the text does not match {name}_pattern {pattern}")
    return match[1].strip()


def _refuse(missing: Sequence[tuple[str, str]], names: Sequence[str], where: str) -> None:
    problems = [
        f"{key}={path}: {where} has no such column{nearest(path, names)}; columns: {', '.join(names)}"
        for key, path in missing
    ]
    if problems:
        raise UserError(*problems)
