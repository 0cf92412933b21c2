"""`ufo-rl contamination`: which prompts of a dataset are questions of the benchmarks, before anything is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ufo_rl.config.compose import compose_one
from ufo_rl.config.load import load
from ufo_rl.config.words import parse_of_command
from ufo_rl.dataset.overlap import Overlap, find_overlaps
from ufo_rl.errors import UserError
from ufo_rl.experiment.data import whole_benchmarks
from ufo_rl.experiment.prepare import prepare
from ufo_rl.records import Prompt

UNUSED = ("model", "selector", "signal", "reward", "train")  # groups that say nothing about pool or benchmarks
MAX_SHOWN = 60  # characters of a question
USAGE = "ufo-rl contamination OVERRIDES...   which prompts of the dataset are questions of the chosen benchmarks?"


def run(arguments: list[str]) -> int:
    parsed = parse_of_command(arguments, takes_several=True)
    if parsed.multirun:
        raise UserError("contamination: one dataset at a time, without -m; several benchmarks are eval=[math500,amc23]")
    sys.stdout.write(overlaps(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
    return 0


def overlaps(overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None) -> str:
    """The counts and all pairs for the dataset and the benchmarks of one configuration."""
    job = compose_one(overrides, config_dir, config_name, "contamination")
    config = load(job.plain)
    prepared = prepare(config, wrong=UNUSED)
    settings, prompts = config.contamination, prepared.pool.prompts
    benchmarks = whole_benchmarks(config)
    found = find_overlaps(prompts, benchmarks, settings.ngram, settings.threshold)
    lines = [
        f"{len(prompts):,} prompts of {config.dataset.get('name', 'custom')}. A prompt is a hit when it holds at least "
        f"{settings.threshold:g} of",
        f"a question's {settings.ngram}-grams, or all of its text but for punctuation and white space (exact).",
    ]
    for name, one in found.items():
        lines += _benchmark(name, one, benchmarks[name])
    hits = set[str]().union(*(one.hit_prompts for one in found.values()))
    if hits:
        lines += ["", f"contamination.remove=true takes these {len(hits)} prompts out of the pool of a run."]
    return "\n".join(lines)


def _benchmark(name: str, one: Overlap, questions: Sequence[Prompt]) -> list[str]:
    text = {question.id: " ".join(question.question.split())[:MAX_SHOWN] for question in questions}
    lines = ["", f"{name}: {one.describe()}, {len(one.hit_prompts)} prompts"]
    if one.pairs:
        lines.append(f"  {'question':<16}  {'prompt':<16}  share  exact  question begins")
    for pair in one.pairs:
        share = "-" if pair.containment is None else f"{pair.containment:.2f}"
        exact = "yes" if pair.is_exact else "no"
        lines.append(
            f"  {pair.question_id:<16}  {pair.prompt_id:<16}  {share:>5}  {exact:<5}  {text[pair.question_id]}"
        )
    return lines
