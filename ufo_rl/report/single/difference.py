"""`ufo-rl diff A B`: what two runs were asked, which prompts each kept, and the questions whose verdict differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ufo_rl.config.identity import volatile
from ufo_rl.config.messages import brief
from ufo_rl.errors import UserError
from ufo_rl.files.flat import flat
from ufo_rl.report.comparing.pairing import paired
from ufo_rl.report.disk.how_far import state_of
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.disk.tables import rows_of
from ufo_rl.report.shared_sentences import one_line
from ufo_rl.report.text import count, fit, percent, points, seconds, table
from ufo_rl.stats.decisions import mcnemar

MAX_EXAMPLES, MAX_TEXT_CHARS = 5, 60


def difference(a: Path, b: Path) -> str:
    """The text. UserError where a folder holds no run that can be read."""
    one, other = _run(a), _run(b)
    parts = [f"A {one.id}\nB {other.id}"]
    parts += [_configuration(one, other), _results(one, other), _selections(one, other)]
    for name in one.benchmarks:
        if name in other.benchmarks:
            parts.append(_questions(one, other, name))
    return fit("\n\n".join(part for part in parts if part))


def _run(folder: Path) -> Run:
    (run,) = find_runs([folder])
    if not run.config:
        raise UserError(f"{folder}: {state_of(folder, run.status).why}")
    return run


def _configuration(a: Run, b: Run) -> str:
    """The keys in which they differ; those that change no result apart."""
    one, other = flat(a.config, "."), flat(b.config, ".")
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    if not keys:
        return "Configuration: the same."
    harmless = volatile(a.config)
    rows = [[key, brief(one.get(key)), brief(other.get(key))] for key in keys if not _is_below(key, harmless)]
    lines = [
        f"Configuration: {len(keys)} keys differ\n{table(['key', 'A', 'B'], rows)}"
        if rows
        else "Configuration: the same"
    ]
    if left := [key for key in keys if _is_below(key, harmless)]:
        lines.append(f"and these, which change no result: {', '.join(left)}")
    return "\n".join(lines)


def _is_below(key: str, places: Sequence[str]) -> bool:
    return any(key == place or key.startswith(f"{place}.") for place in places)


def _results(a: Run, b: Run) -> str:
    rows = []
    for name, one in (
        ("prompts trained on", "num_selected"),
        ("steps", "steps"),
        ("tokens generated", "generated_tokens"),
    ):
        rows.append([name, *(count(run.metrics.get(one)) for run in (a, b))])
    rows.append(["seconds", *(seconds(run.seconds.get("total")) for run in (a, b))])
    return table(["what it took", "A", "B"], rows)


def _selections(a: Run, b: Run) -> str:
    ids = [set(run.selection.get("ids") or ()) for run in (a, b)]
    if not all(ids):
        return ""
    both, either = len(ids[0] & ids[1]), len(ids[0] | ids[1])
    lines = [f"Selection: A keeps {len(ids[0])}, B {len(ids[1])}, both {both} (Jaccard {both / either:.2f})"]
    for name, run, own in (("A", a, ids[0] - ids[1]), ("B", b, ids[1] - ids[0])):
        texts = {row["id"]: row["question"] for row in rows_of(run.folder / "scores.parquet", ("id", "question"))}
        lines += [f"  {name} alone: {_text(texts.get(one, one))}" for one in sorted(own)[:MAX_EXAMPLES]]
    return "\n".join(lines)


def _questions(a: Run, b: Run, benchmark: str) -> str:
    before, after = a.correct_after(benchmark), b.correct_after(benchmark)
    found = paired(before, after)
    title = f"{benchmark}: A {percent(a.after(benchmark).share)} %, B {percent(b.after(benchmark).share)} %"
    if found is None or before is None or after is None:
        return f"{title}; not paired: a table of questions is missing, or they were asked other questions"
    gained = [one for one in before if after[one] > before[one]]
    lost = [one for one in before if after[one] < before[one]]
    p = mcnemar(len(gained), len(lost))
    lines = [
        f"{title}; B minus A {points(found)} points, paired by question; B alone has {len(gained)} right, A alone {len(lost)} "
        f"(McNemar, exact: p = {p:.2g}; these two trainings, not their settings)"
    ]
    own, theirs = (_answers(run, benchmark) for run in (a, b))
    for name, flipped in (("B", gained), ("A", lost)):
        for one in flipped[:MAX_EXAMPLES]:
            said, other = own.get(one, {}), theirs.get(one, {})
            lines.append(
                f"  {name} alone: {_text(said.get('question', one))} gold {_text(said.get('gold', ''))}: A said "
                f"{_text(said.get('extracted', ''))}, B {_text(other.get('extracted', ''))}"
            )
    return "\n".join(lines)


def _answers(run: Run, benchmark: str) -> dict[str, dict[str, Any]]:
    path = run.folder / "eval" / benchmark / "questions.parquet"
    return {row["id"]: row for row in rows_of(path, ("id", "question", "gold", "extracted"))}


def _text(text: Any) -> str:
    return one_line(str(text), MAX_TEXT_CHARS) or "nothing"
