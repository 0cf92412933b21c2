"""From a file of golds and completions to its tables, block by block: memory does not grow with the file."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

from ufo_rl.commands.grade.options import Options
from ufo_rl.commands.grade.rows import Contents, Item, Needed, check, items
from ufo_rl.commands.grade.tally import Audit, Tally
from ufo_rl.config.compose import compose_one
from ufo_rl.config.contract import built
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.files.row_writer import blocks, row_writer, schema_of
from ufo_rl.grader import Grader
from ufo_rl.grader.math.process.verdict import Verdict
from ufo_rl.grader.math.process.verifier import Verifier
from ufo_rl.launch.progress import Progress
from ufo_rl.records import Graded

if TYPE_CHECKING:
    import pyarrow

AUDIT_LIMIT_S = 5.0  # CPU time of one verdict of the audited grader, where ours has no `time_limit_s` of its own
log = logging.getLogger(__name__)
BLOCK = 512  # completions in memory at a time, about
VERDICT = ("extracted", "correct", "method", "reason")
AUDIT = ("audit_correct", "audit_reason")
Pair = tuple[Graded, Verdict | None]  # our verdict, and that of the audited grader


def grade_file(options: Options) -> str:
    """The tables; with `options.out` the verdicts are in that file. Raises UserError for every mistake, before grading."""
    log.info("grading: reading %s", options.file)
    job = compose_one(options.overrides, options.config_dir, None, "grade")
    config = load(job.plain)
    with ExitStack() as opened:
        grader: Grader = built(config.grader, "grader", config.plugins, "grader")
        opened.callback(grader.close)
        limit = config.grader.get("time_limit_s", AUDIT_LIMIT_S)
        other = Verifier(limit, other=options.audit) if options.audit else None
        problems: list[str] = []
        if other is not None:
            opened.callback(other.close)
            problems += _start(other)
        try:
            needed = Needed(options.gold, options.completion, tuple(grader.columns))
            contents = check(options.file, needed, grader, with_others=options.out is not None)
        except UserError as error:
            raise UserError(*problems, *error.problems) from error
        problems += _clash(options, contents)
        if problems:
            raise UserError(*problems)
        for name, why in contents.unreadable.items():
            log.warning("--out %s: the column %s of %s is left out (%s)", options.out, name, options.file, why)
        return _graded(options, contents, grader, other)


def _start(other: Verifier) -> list[str]:
    try:
        other.start()
    except RuntimeError as error:
        return [f"--audit {other.other}: {error}; its module must be installed or lie in the current folder"]
    return []


def _clash(options: Options, contents: Contents) -> list[str]:
    if options.out is None:
        return []
    taken = [name for name in _new_columns(options) if name in contents.columns]
    return [f"--out {options.out}: {options.file} has columns {', '.join(taken)} already; rename them"] if taken else []


def _new_columns(options: Options) -> tuple[str, ...]:
    return (*VERDICT, *AUDIT) if options.audit else VERDICT


def _graded(options: Options, contents: Contents, grader: Grader, other: Verifier | None) -> str:
    tally, audit, progress = Tally(), Audit(options.audit or ""), Progress("grading")
    with ExitStack() as opened:
        opened.callback(progress.close)
        write = opened.enter_context(row_writer(options.out, _schema(options, contents))) if options.out else None
        progress.update(0, contents.num_completions, "completions")
        needed = Needed(options.gold, options.completion, tuple(grader.columns))
        rows = items(options.file, needed, with_others=options.out is not None)
        log.info("grading: %d completions of %d rows", contents.num_completions, contents.num_rows)
        done = 0
        for block in blocks(rows, max(1, BLOCK * contents.num_rows // contents.num_completions)):
            graded = _pairs(block, grader, other)
            for item, pairs in zip(block, graded, strict=True):
                tally.add([ours for ours, _ in pairs])
                for number, (ours, theirs) in enumerate(pairs, start=1):
                    if theirs is not None:
                        where = f"{item.where} sample {number}" if item.is_list else item.where
                        audit.add(where, item.gold, ours, theirs)
                done += len(pairs)
            if write is not None:
                written = zip(block, graded, strict=True)
                write([_row(item, pairs, contents.unreadable) for item, pairs in written])
            progress.update(done, contents.num_completions, "completions")
    parts = [tally.text(options.file.name)]
    parts += [audit.text()] if options.audit else []
    return "\n\n".join([*parts, *([f"Verdicts: {options.out}"] if options.out else [])])


def _pairs(block: list[Item], grader: Grader, other: Verifier | None) -> list[list[Pair]]:
    """The verdicts on the completions of each row."""
    golds = [item.gold for item in block for _ in item.completions]
    completions = [text for item in block for text in item.completions]
    ours = grader.grade_all([item.reference(grader) for item in block for _ in item.completions], completions)
    theirs: list[Verdict | None] = [None] * len(ours)
    if other is not None:
        with ThreadPoolExecutor(other.num_children) as threads:
            theirs = list(threads.map(other.verify, golds, completions))
    left = iter(zip(ours, theirs, strict=True))
    return [list(islice(left, len(item.completions))) for item in block]


def _row(item: Item, pairs: list[Pair], unreadable: Collection[str]) -> dict[str, Any]:
    """The row as it was but for columns that cannot be read, and the verdicts; lists of them where the completions are one."""
    columns: dict[str, list[Any]] = {name: [getattr(ours, name) for ours, _ in pairs] for name in VERDICT}
    if pairs[0][1] is not None:
        verdicts = [theirs for _, theirs in pairs if theirs is not None]
        columns |= dict(zip(AUDIT, ([v.equal for v in verdicts], [v.reason for v in verdicts]), strict=True))
    row = {name: value for name, value in item.row.items() if name not in unreadable} if unreadable else item.row
    return {**row, **{name: values if item.is_list else values[0] for name, values in columns.items()}}


def _schema(options: Options, contents: Contents) -> pyarrow.Schema | None:
    assert options.out is not None
    if options.out.suffix != ".parquet":
        return None
    import pyarrow as pa

    schema = schema_of(options.file, contents.unreadable)
    for name in _new_columns(options):
        kind = pa.bool_() if name.endswith("correct") else pa.string()
        schema = schema.append(pa.field(name, pa.list_(kind) if contents.has_lists else kind))
    return schema
