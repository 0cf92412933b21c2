"""Work in a folder that is no run's: an evaluation, scores, a selection. Claimed, written down, tracked."""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf

from ufo_rl.config.compose import Job, compose_jobs, tell
from ufo_rl.config.display_name import display_name
from ufo_rl.config.identity import CHOSEN, volatile
from ufo_rl.config.scheduler import NO_COMMAND, asks_slurm
from ufo_rl.config.schema import Config
from ufo_rl.config.words import parse_of_command
from ufo_rl.errors import Problems
from ufo_rl.experiment.provenance import describe
from ufo_rl.experiment.status import claimed
from ufo_rl.files.atomic import write_json, write_text
from ufo_rl.tracking.begin import open_run
from ufo_rl.tracking.sink import Tracker

Checked = TypeVar("Checked")


def checked_jobs(
    overrides: Sequence[str],
    config_dir: str | None,
    config_name: str | None,
    multirun: bool,
    check: Callable[[Job], Checked],
) -> list[tuple[Job, Checked]]:
    """The jobs of a command line with what `check` says of each. UserError names all mistakes of all."""
    jobs, problems = compose_jobs(overrides, config_dir, config_name, multirun), Problems()
    if any(asks_slurm(job.plain) for job in jobs):
        problems.add(NO_COMMAND)
    checked: list[Any] = [problems.attempt(check, job) for job in jobs]
    problems.raise_any()
    tell(jobs)
    return list(zip(jobs, checked, strict=True))


def answer(arguments: Sequence[str], work: Callable[[Sequence[str], str | None, str | None, bool], list[str]]) -> int:
    """A command's `run`: what `work` makes of the overrides, the configuration's folder and name, and -m, to stdout; events
    to stderr."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    parsed = parse_of_command(arguments, takes_several=True)
    told = work(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    sys.stdout.write("\n\n".join(told) + "\n")
    return 0


@dataclass(frozen=True)
class Apart:
    """What is to be done in `folder`: `kind` (evaluation, score, select) names its record KIND.json and W&B's job type,
    `overrides` are those of the command line behind `words`, `nodes` those of the configuration that W&B gets."""

    kind: str
    folder: Path
    config: Config
    plain: dict[str, Any]
    words: str
    overrides: Sequence[str]
    nodes: Sequence[str]

    @contextmanager
    def begun(self) -> Iterator[tuple[Tracker, int, Callable[[str], None]]]:
        """Hold the folder while the block works in it; yields the tracker, the number of this attempt, and what is told
        the name of each stage."""
        with claimed(self.folder, self.kind) as state:
            write_text(self.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(self.plain)))
            record = self._record()
            write_json(self.folder / f"{self.kind}.json", record)
            about = {node: self.plain[node] for node in self.nodes}
            with open_run(self.plain["tracker"], record, about, Path(self.config.paths.outputs)) as tracker:
                yield tracker, record["attempt"], state.enter
            shutil.rmtree(self.folder / ".work", ignore_errors=True)
            state.write("completed")

    def _record(self) -> dict[str, Any]:
        choices, _, tail = self.folder.name.rpartition("-")
        unimportant = volatile(self.plain, self.config.plugins)
        shown = display_name(choices, tail, self.overrides, CHOSEN, unimportant)
        command = f"{self.words} {shlex.join(self.overrides)}"
        parts = {name: self.plain[name].get("name", "custom") for name in ("model", "dataset", "selector", "engine")}
        used = {name: part for name, part in parts.items() if name in self.nodes}
        path, launch = self.folder / f"{self.kind}.json", self.config.launch
        return describe(path, self.config.name, self.kind, command, used, shown, launch)
