"""What stands on the page of a report: sections of sentences, tables, figures and examples, from run folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ufo_rl.report.comparing.arms import arms_of, missing_cells
from ufo_rl.report.comparing.comparison import accuracy_rows, how_to_read, in_a_sentence, incomplete, remarks
from ufo_rl.report.comparing.costs import cost_table
from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.comparing.warnings import warnings_of
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.insight.pool_table import Scored, scored
from ufo_rl.report.ledger.entries import Entry
from ufo_rl.report.ledger.listing import counts, ledger_rows
from ufo_rl.report.page.accuracy import accuracy_figures
from ufo_rl.report.page.chosen import selection_figures
from ufo_rl.report.page.curves import curve_figures, evaluation_figures
from ufo_rl.report.page.figure import Figure
from ufo_rl.report.page.levels import level_figures
from ufo_rl.report.text import count, percent

NUM_EXAMPLES = 5


@dataclass(frozen=True)
class Table:
    """`wordy`: the columns that hold sentences."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    wordy: Sequence[int] = ()


@dataclass(frozen=True)
class Example:
    about: str
    text: str


@dataclass(frozen=True)
class Examples:
    title: str
    items: Sequence[Example]


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    texts: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    examples: Sequence[Examples] = ()


def sections_of(blocks: Sequence[Block], runs: Sequence[Run], entries: Sequence[Entry]) -> list[Section]:
    """Of each block what it found, what it cost, how it trained and what was selected; then what all lies there."""
    found = []
    for number, block in enumerate(blocks, start=1):
        found += _block(block, f"-{number}" if len(blocks) > 1 else "")
    left_out = incomplete(runs)
    tables = [Table(title, header, rows) for title, header, rows in ledger_rows(entries)]
    found.append(Section("ledger", "All runs", [counts(entries)], left_out, tables))
    return found


def _block(block: Block, end: str) -> list[Section]:
    model, dataset, template = block.setting
    name = "evaluations" if block.holds_evaluations else f"{model}, {dataset}, template {template}"
    arms = arms_of(block)
    tables = []
    for benchmark, own in arms.items():
        header, rows = accuracy_rows(own, [], block, None)
        tables.append(Table(f"{benchmark}, accuracy in %", header, rows, [len(header) - 1] if block.baseline else []))
    what = [in_a_sentence(benchmark, own, block) for benchmark, own in arms.items()]
    missing = missing_cells(block)
    read = [*(f"{shown}: {label}" for shown, label in block.legend.items()), *how_to_read(block, arms).splitlines()]
    warnings = [line.removeprefix("- ") for line in warnings_of(block)] if not block.holds_evaluations else []
    sections = [
        Section(
            f"results{end}",
            f"Results: {name}",
            [*filter(None, what), *read],
            [*warnings, *dict.fromkeys(block.notes)],
            tables,
        ),
        Section(f"accuracy{end}", "Accuracy", figures=[*accuracy_figures(block), *level_figures(block)]),
    ]
    if block.holds_evaluations:
        return sections
    title, header, rows = cost_table(block)
    training = [*evaluation_figures(block), *curve_figures(block)]
    return [
        *sections,
        Section(f"costs{end}", "Costs", [title, *remarks(block)], missing, [Table("By arm", header, rows)]),
        *([Section(f"training{end}", "Training", figures=training)] if training else []),
        *_selection(block, end),
    ]


def _selection(block: Block, end: str) -> list[Section]:
    figures = selection_figures(block)
    if not figures:
        return []
    lines, rows = [], []
    for arm in dict.fromkeys(block.arms[run] for run in block.runs):
        run = next(run for run in block.runs if block.arms[run] == arm)
        chosen = run.selection
        if chosen:
            rows.append(
                [
                    arm,
                    *(count(chosen.get(name)) for name in ("num_kept", "num_pool")),
                    percent(chosen.get("tie_share")),
                    str(chosen.get("near_cut")),
                ]
            )
    header = ["arm", "kept", "pool", "decided by ties, %", "may change sides within 1e-5"]
    lines.append("Of the first seed of each arm.")
    return [
        Section(
            f"selection{end}", "Selection", lines, [], [Table("What was cut", header, rows)], figures, _examples(block)
        )
    ]


def _examples(block: Block) -> list[Examples]:
    """Prompts of the first arm that chose by a signal: the easiest and the hardest of the pool, and some that were kept."""
    for run in block.runs:
        pool = scored(run)
        if run.signals and pool is not None and run.selector != "full":
            measure = pool.pass_rate if pool.pass_rate is not None else pool.confidence
            if measure is None:
                continue
            order = measure.argsort(kind="stable").tolist()
            kept = [i for i in pool.rank.argsort(kind="stable").tolist() if pool.kept[i]]
            groups = (("Easiest", order[::-1]), (f"Kept first by {block.arms[run]}", kept), ("Hardest", order))
            return [Examples(title, [_example(pool, i) for i in own[:NUM_EXAMPLES]]) for title, own in groups]
    return []


def _example(pool: Scored, i: int) -> Example:
    known = [("confidence", pool.confidence), ("pass rate", pool.pass_rate)]
    about = [f"{name} {values[i]:.3g}" for name, values in known if values is not None]
    about += [f"level {pool.levels[i]}"] if pool.levels[i] else []
    return Example(
        ", ".join([*about, f"answer {pool.answers[i]}", "kept" if pool.kept[i] else "not kept"]), pool.questions[i]
    )
