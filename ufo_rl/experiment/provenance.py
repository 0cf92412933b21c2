"""Who a run or an evaluation is, and what it was made with: run.json, evaluation.json."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Launch
from ufo_rl.files import environment
from ufo_rl.files.atomic import read_json
from ufo_rl.launch import threads


def _wandb_id() -> str:
    """Its own, or the one that a W&B Sweep's agent has given the run that it started."""
    given = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
    return given or uuid.uuid4().hex[:8]


def describe(
    path: Path, name: str, job_type: str, command: str, choices: dict[str, str], display_name: str, launch: Launch
) -> dict[str, Any]:
    """The record of a folder, which `path` in it keeps; what it said before of W&B's id and of attempts goes on."""
    before = read_json(path) if path.is_file() else {}
    return {
        "id": path.parent.name,
        "display_name": display_name,
        "name": name,
        "group": name,
        "job_type": job_type,
        "wandb_id": before.get("wandb_id", _wandb_id()),
        "attempt": before.get("attempt", 0) + 1,
        "created": before.get("created", time.strftime("%Y-%m-%dT%H:%M:%S%z")),
        "command": command,
        "started_by": before.get("started_by", command),
        "choices": choices,
        "versions": environment.versions(),
        "git": environment.git(),
        "hardware": {**environment.hardware(), **threads.record(launch, os.environ)},
    }
