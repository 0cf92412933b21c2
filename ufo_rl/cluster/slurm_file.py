"""slurm.json of a run folder: the job that was submitted for the run last, so that no other one is while it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ufo_rl.cluster.queue import Queued
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json, write_json

FILE = "slurm.json"


@dataclass(frozen=True)
class Submitted:
    """`name` of the array and `index` of the job in it (None for a single job) are written before sbatch is called, and find
    the job where whoever called it did not live to write down its id. `before`: what status.json said of its last change.
    `end`: the state in which SLURM left the job, "" while it lives."""

    name: str
    index: int | None
    before: str
    job: str = ""
    log: str = ""
    end: str = ""

    def of_job(self, array: str, logs: Path) -> Submitted:
        """The same once sbatch has said the id."""
        job = array if self.index is None else f"{array}_{self.index}"
        return replace(self, job=job, log=str(logs / f"{job}_0_log.out"))

    def write(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))

    def found(self, queued: Mapping[str, Queued]) -> Queued | None:
        """The job in the queue, by its id or else by its name."""
        if self.end:
            return None
        if self.job:
            return queued.get(self.job)
        ending = "" if self.index is None else f"_{self.index}"
        return next((one for one in queued.values() if one.name == self.name and one.job.endswith(ending)), None)


def last(folder: Path) -> Submitted | None:
    """What was submitted last; None where nothing was, or the file is broken."""
    path = folder / FILE
    try:
        found: Any = read_json(path) if path.is_file() else None
        return None if found is None else Submitted(**found)
    except (UserError, TypeError):
        return None
