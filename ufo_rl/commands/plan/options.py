"""The options of `ufo-rl plan`, and what they ask."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ufo_rl.commands.plan.machine import KINDS
from ufo_rl.errors import UserError, nearest

TEXT = f"""ufo-rl plan OVERRIDES... [options]      also -m, and sweeps: -cd sweeps -cn ratio

What a job will do, hold and cost, and what does not fit, before any GPU second: nothing is started, loaded or downloaded.

  --gpu KIND               memory and peak of a GPU: {", ".join(KINDS)}
  --gpu-memory GIB         memory of a GPU, GiB; without either: this machine's
  --utilization SHARE      share of the peak that forward and backward passes reach, in (0, 1]; with --gpu gives hours
  --tokens-per-second N    generated tokens a second of one GPU
  --mean-tokens N          tokens of a completion, where earlier runs here do not tell
  --prompts N              prompts of the pool, where its data are not here
  --free-disk GIB          instead of what is free where outputs will lie
  --table                  the recipe for every shipped model, stage of ZeRO and 1, 8, 16 GPUs, as Markdown (docs/plan.md)
  --explain                how each number comes about
  --json FILE              the same for programs"""
MOST = 10**9  # of any of these numbers: beyond it a word was meant otherwise


@dataclass(frozen=True)
class PlanOptions:
    """See TEXT; None where an option is not given."""

    gpu: str | None = None
    gpu_memory: float | None = None
    utilization: float | None = None
    tokens_per_second: float | None = None
    mean_tokens: float | None = None
    prompts: int | None = None
    free_disk: float | None = None
    explain: bool = False
    table: bool = False
    json: Path | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"plan: {message}; see ufo-rl plan -h")


def parser() -> argparse.ArgumentParser:
    made = _Parser(add_help=False, allow_abbrev=False)
    made.add_argument("--gpu")
    for name in ("--gpu-memory", "--utilization", "--tokens-per-second", "--mean-tokens", "--free-disk"):
        made.add_argument(name, type=float)
    made.add_argument("--prompts", type=int)
    made.add_argument("--explain", action="store_true")
    made.add_argument("--table", action="store_true")
    made.add_argument("--json", type=Path)
    return made


def split(arguments: Sequence[str]) -> tuple[PlanOptions, list[str]]:
    """The command's own options, and the other words. UserError with every value that cannot be."""
    found, words = parser().parse_known_args(list(arguments))
    options = PlanOptions(**vars(found))
    problems = []
    if options.gpu is not None and options.gpu not in KINDS:
        problems.append(
            f"plan --gpu {options.gpu}: no such kind{nearest(options.gpu, KINDS)} (kinds: {', '.join(KINDS)})"
        )
    for name in ("gpu_memory", "tokens_per_second", "mean_tokens", "prompts", "free_disk"):
        value = getattr(options, name)
        if value is not None and not 0 < value <= MOST:
            given = f"{value:g}" if isinstance(value, float) else str(value)
            problems.append(f"plan --{name.replace('_', '-')} {given}: must be above 0 and at most {MOST:,}")
    if options.utilization is not None and not 0 < options.utilization <= 1:
        problems.append(f"plan --utilization {options.utilization:g}: must be a share in (0, 1], for example 0.3")
    if problems:
        raise UserError(*problems)
    return options, words
