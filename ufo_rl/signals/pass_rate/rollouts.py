"""Finished completions of other runs or systems, from a file: pass rates without any generation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.keys import file_sha256
from ufo_rl.files.rows import SUFFIXES, read_rows
from ufo_rl.records import Prompt, prompt_id

KEY = "signal.pass_rate.rollouts"


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
    if not path.is_file():
        raise UserError(f"{KEY}={path}: no such file; name a file ending in {', '.join(SUFFIXES)}")
    found: dict[str, dict[int, str]] = defaultdict(dict)
    problems = []
    for where, row in read_rows(path):
        taken = row if isinstance(row, str) else _completions(row)
        if isinstance(taken, str):
            problems.append(f"{KEY}: {where}: {taken}")
            if len(problems) == 3:
                break
            continue
        assert isinstance(row, Mapping)
        own, first = found[_id(row)], row.get("sample")
        first = len(own) if first is None else int(first)
        own |= {first + k: text for k, text in enumerate(taken)}  # a sample that stands there twice counts once
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


def _id(row: Mapping[str, Any]) -> str:
    return str(row["id"]) if row.get("id") else prompt_id(str(row["question"]))


def _completions(row: Mapping[str, Any]) -> list[str] | str:
    """The row's completions, or what is wrong with it."""
    if not (row.get("id") or row.get("question")):
        return "no id and no question: which prompt is it?"
    sample = row.get("sample")
    if sample is not None and not (str(sample).isdecimal() or (isinstance(sample, float) and sample.is_integer())):
        return f"sample={sample} is no whole number from 0"
    texts = row.get("completions", [row.get("completion")])
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return texts
    return "no completion (text) and no completions (a list of texts)"
