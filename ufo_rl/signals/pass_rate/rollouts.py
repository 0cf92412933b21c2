"""Finished completions of other runs or systems, from a file: pass rates without any generation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.cells import NoText, Unreadable, text_of
from ufo_rl.files.column_path import text_at
from ufo_rl.files.keys import file_sha256
from ufo_rl.files.rows import check_file, read_rows
from ufo_rl.records import Prompt, prompt_id

KEY = "signal.pass_rate.rollouts"
COLUMNS = ("id", "question", "sample", "completion", "completions")


@dataclass(frozen=True)
class Rollouts:
    """`completions` of each prompt id, in the order of their sample numbers or of the file; `key` is the file's hash."""

    key: str
    completions: dict[str, list[str]]


def read_rollouts(path: Path) -> Rollouts:
    """The completions of a JSONL, CSV or Parquet file.

    A row names its prompt by `question` (the text) or `id` (ours, as in scores.parquet), and holds one `completion`, with
    its `sample` number if the rows stand in another order, or a list of `completions`. The chunks of our own store of pass
    rates are such files. Raises UserError with the first rows that are none.
    """
    check_file(f"{KEY}={path}", path)
    found: dict[str, dict[int, str]] = defaultdict(dict)
    problems = []
    for where, row in read_rows(path, COLUMNS, with_others=False):
        try:
            own_id, first, texts = _samples(row)
            own = found[own_id]
            first = len(own) if first is None else first
            for number, text in enumerate(texts, start=first):
                if own.setdefault(number, text) != text:  # the same twice is one
                    raise NoText(f"sample {number} of prompt {own_id} stands there before, with another text")
        except NoText as problem:
            problems.append(f"{KEY}: {where}: {problem}")
            if len(problems) == 3:
                break
    problems += [
        f"{KEY}: prompt {own} has {len(texts)} samples, and their numbers are not 0 to {len(texts) - 1}"
        for own, texts in found.items()
        if set(texts) != set(range(len(texts)))
    ][:3]
    if problems:
        raise UserError(*problems)
    key = file_sha256(path)[:16]
    ordered = {own: [texts[k] for k in sorted(texts)] for own, texts in found.items()}
    return Rollouts(key, ordered)


def check_rollouts(rollouts: Rollouts, prompts: Sequence[Prompt], num_samples: int) -> None:
    """Raises UserError unless every prompt has at least `num_samples` completions."""
    counts = [len(rollouts.completions.get(prompt.id, ())) for prompt in prompts]
    short = sum(count < num_samples for count in counts)
    if not short:
        return
    fewest = min(counts)
    cure = f"set signal.pass_rate.num_samples={fewest}" if fewest else "name a file that covers the pool"
    raise UserError(
        f"{KEY}: {short} of {len(prompts)} prompts have fewer than signal.pass_rate.num_samples={num_samples} "
        f"completions (the fewest: {fewest}); {cure}, or leave {KEY} out to sample"
    )


def _samples(row: Mapping[str, Any] | str) -> tuple[str, int | None, list[str]]:
    """The prompt's id, the number of the first sample or None, and the completions. NoText says what is wrong with a row."""
    if isinstance(row, str):
        raise NoText(row)
    prompt, question = text_at(row, "id"), text_at(row, "question")
    if not (prompt or question):
        raise NoText("no id and no question: which prompt is it?")
    sample = "nan" if (cell := row.get("sample")) != cell else text_at(row, "sample")
    if sample and not sample.isdecimal():
        raise NoText(f"sample={sample} is no whole number from 0")
    cells = row["completions"] if "completions" in row else [row.get("completion")]
    if isinstance(cells, Unreadable):
        raise NoText(f"column completions {cells.reason}")
    if not isinstance(cells, list) or not all(isinstance(cell, str | bytes | Unreadable) for cell in cells):
        raise NoText("no completion (text) and no completions (a list of texts)")
    return prompt or prompt_id(question), int(sample) if sample else None, [text_of(cell, "") for cell in cells]
