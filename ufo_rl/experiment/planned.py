"""The jobs of a command as its folders have them before the first starts: what was asked for is known, whatever becomes
of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ufo_rl.config.compose import Job
from ufo_rl.config.identity import run_name
from ufo_rl.errors import UserError
from ufo_rl.experiment.status import Status
from ufo_rl.files.atomic import LOCK, is_held, read_json, write_json, write_text


def announce(jobs: Sequence[Job], words: Sequence[str]) -> None:
    """Write config.yaml, run.json and status.json (planned) for each job of which nothing is known; run.json of all that are
    not done says `started_by`, the command line of `words`. Left out are jobs whose folder is named by the moment of its
    making, and hosts that only serve another one's."""
    command = f"ufo-rl {shlex.join(words)}".rstrip()
    for job in jobs:
        if job.is_sample or not job.is_folder_known or job.plain["launch"]["node_rank"] > 0:
            continue
        status, path = Status(job.folder), job.folder / "run.json"
        if status.is_completed() or is_held(job.folder / LOCK):
            continue
        is_new = not status.path.exists() or status.is_planned()
        if is_new:
            write_text(job.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(job.plain)))
        write_json(path, {**({} if is_new else recorded(path)), **_who(job), "started_by": command})
        status.plan()


def _who(job: Job) -> dict[str, str]:
    shown = run_name(job.plain, job.overrides)
    return {"id": job.folder.name, "display_name": shown, "command": job.command()}


def recorded(path: Path) -> dict[str, Any]:
    """What the file says; nothing where it is broken: it is written anew."""
    try:
        found = read_json(path) if path.is_file() else {}
    except UserError:
        found = {}
    return found if isinstance(found, dict) else {}
