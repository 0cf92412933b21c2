"""`ufo-rl show RUN`: what was done, curves, samples, the kept prompts and why, and where everything lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.journal import number, train_steps
from ufo_rl.report.benchmark_table import evaluation_table
from ufo_rl.report.disk.how_far import UNREADABLE, state_of
from ufo_rl.report.disk.run_folders import load_run
from ufo_rl.report.disk.run_record import Run, read_object
from ufo_rl.report.disk.tables import rows_of
from ufo_rl.report.ledger.entries import Entry, entries_of
from ufo_rl.report.ledger.listing import age
from ufo_rl.report.ledger.sizes import in_bytes, size_of
from ufo_rl.report.shared_sentences import one_line
from ufo_rl.report.single.run_summary import summary
from ufo_rl.report.text import count, fit, percent, table

BARS = "▁▂▃▄▅▆▇█"
MAX_POINTS, MAX_TEXT_CHARS = 60, 100
# TRL's names, and what they are called here.
CURVES = {
    "reward": "reward",
    "frac_reward_zero_std": "dead groups",
    "completions/mean_length": "tokens",
    "entropy": "entropy",
    "kl": "KL",
    "grad_norm": "gradient",
}
# Why a prompt was kept: columns of scores.parquet that say it, as far as they are there.
REASONS = ("rank", "confidence", "fuzziness", "pass_rate", "level", "subject")
PLACES = {
    "config.yaml": "the whole configuration",
    "run.log": "what was told",
    "logs": "what each stage printed",
    "error.txt": "the traceback",
    "scores.parquet": "every prompt with its signals, rank, kept or not",
    "selection.json": "the kept ids",
    "metrics.jsonl": "every step",
    "train/policy": "the trained model",
    "train/best": "the best policy on the way",
    "train/rollouts": "completions of the training",
    "eval": "every question with its completion and verdict",
    "metrics.json": "the results",
}


def shown(folder: Path, examples: int) -> str:
    """The text, with so many examples of prompts and completions. UserError where a file of the folder is broken."""
    (entry,) = entries_of([folder])
    if entry.kind == "run":
        parts = _run(folder, entry, examples)
    elif entry.kind == "evaluation":
        if entry.state.name == UNREADABLE:
            raise UserError(f"{entry.name}: {entry.state.why}")
        metrics = read_object(folder / "metrics.json")
        found = [one["final"] for one in metrics.get("eval", {}).values()]
        parts = [evaluation_table(found)] if found else [f"{entry.name}: {entry.state.why}"]
        parts += [_said(folder, name, examples) for name in metrics.get("eval", {})]
    else:
        parts = [f"{entry.name} ({entry.kind}), {age(entry)} ago", _kept(folder, examples)]
    parts.append(_places(folder, entry))
    return fit("\n\n".join(part for part in parts if part))


def _run(folder: Path, entry: Entry, examples: int) -> list[str]:
    run = load_run(folder)
    run.check()
    state = state_of(folder, run.status)
    began = f"{state.name}, begun {age(entry)} ago" + (f"; {state.why}" if state.why else "")
    return [
        f"{began}\n{summary(folder)}",
        _curves(run),
        _on_the_way(run),
        _rollouts(folder, examples),
        *(_said(folder, name, examples) for name in run.benchmarks),
        _kept(folder, examples),
    ]


def _curves(run: Run) -> str:
    steps = train_steps(run.journal())
    rows = []
    for key, name in CURVES.items():
        values = [found for line in steps if (found := number(line.get(key))) is not None]
        if len(values) > 1:
            rows.append(
                [
                    name,
                    bars(values),
                    f"{values[0]:.3g}",
                    f"{values[-1]:.3g}",
                    f"{min(values):.3g}",
                    f"{max(values):.3g}",
                ]
            )
    if not rows:
        return ""
    return f"Training, steps 1 to {steps[-1]['step']}\n" + table(["", "", "first", "last", "least", "most"], rows)


def bars(values: Sequence[float]) -> str:
    """A line of blocks from the least to the most; of many values the means of MAX_POINTS parts. What is no number is a gap."""
    import numpy as np

    parts = np.array_split(np.asarray(values, dtype=float), min(len(values), MAX_POINTS))
    means = [float(part.mean()) for part in parts]
    known = [mean for mean in means if np.isfinite(mean)]
    low, wide = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    top = len(BARS) - 1
    return "".join(
        " " if not np.isfinite(m) else BARS[round((m - low) / wide * top) if wide else top // 2] for m in means
    )


def _on_the_way(run: Run) -> str:
    lines = [
        f"  step {line['step']}: {line['benchmark']} {percent(line['accuracy'])} %"
        for line in run.journal()
        if line.get("stage") in ("base_eval", "eval") and line.get("event") == "metrics" and "accuracy" in line
    ]
    return "\n".join(["Evaluations", *dict.fromkeys(lines)]) if lines else ""


def _rollouts(folder: Path, examples: int) -> str:
    files = sorted(
        (folder / "train" / "rollouts").glob("step-*.parquet"), key=lambda path: int(path.stem.split("-")[1])
    )
    if not files or not examples:
        return ""
    found = rows_of(files[-1], ("step", "prompt", "completion", "gold", "reward", "advantage"))
    rows = list({row["prompt"]: row for row in found[::-1]}.values())[::-1][:examples]  # the first of each group
    lines = [
        f"  reward {row['reward']:.2f}, gold {_text(row['gold'])}: {_text(row['prompt'])} | {_text(row['completion'])}"
        for row in rows
    ]
    return "\n".join([f"Completions of the training, step {rows[0]['step']} ({files[-1]})", *lines]) if rows else ""


def _said(folder: Path, benchmark: str, examples: int) -> str:
    columns = ("question", "gold", "completion", "extracted", "correct", "reason")
    rows = rows_of(folder / "eval" / benchmark / "questions.parquet", columns)
    lines = []
    for is_right in (True, False):
        for row in [row for row in rows if row["correct"] == is_right][:examples]:
            word = "right" if is_right else f"wrong, {row['reason']}" if row.get("reason") else "wrong"
            lines.append(f"  {word}, gold {_text(row['gold'])}: {_text(row['question'])} | {_text(row['completion'])}")
    return "\n".join([f"Answers on {benchmark}", *lines]) if lines else ""


def _kept(folder: Path, examples: int) -> str:
    """The prompts that were kept first, the last that was kept, and the first that was not."""
    rows = rows_of(folder / "scores.parquet", ("question", "kept", *REASONS))
    if not rows or not examples or "kept" not in rows[0]:
        return ""
    rows.sort(key=lambda row: row["rank"])
    kept = [row for row in rows if row["kept"]]
    chosen = kept[:examples] + kept[examples:][-1:] + rows[len(kept) : len(kept) + examples]
    reasons = [name for name in REASONS if name in rows[0] and any(row[name] is not None for row in chosen)]
    lines = [
        ["kept" if row["kept"] else "not", *(_value(row[name]) for name in reasons), _text(row["question"])]
        for row in chosen
    ]
    title = f"Prompts: {count(len(kept))} of {count(len(rows))} kept, the first, the last, and the first that were not"
    body = table(["", *reasons, "prompt"], lines)
    return f"{title}\n{body}"


def _value(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(text: Any) -> str:
    return one_line(str(text), MAX_TEXT_CHARS) or "nothing"


def _places(folder: Path, entry: Entry) -> str:
    rows = [[name, in_bytes(size_of(folder / name)), what] for name, what in PLACES.items() if (folder / name).exists()]
    width = max((len(row[0]) for row in rows), default=0)
    lines = [f"  {name:<{width}}  {size:>8}  {what}" for name, size, what in rows]
    return "\n".join([f"Files in {folder}", *lines, *([f"Again: {entry.started_by}"] if entry.started_by else [])])
