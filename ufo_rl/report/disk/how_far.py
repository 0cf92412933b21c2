"""How far the work in a folder has come: what status.json says, and whether who wrote it is still alive."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.files.atomic import LOCK, is_held

UNREADABLE = "unreadable"  # its files say too little, or what this version does not know
# In the order of a ledger: what is to be looked at first.
STATES = ("failed", UNREADABLE, "stale", "interrupted", "running", "planned", "completed")
UNFINISHED = ("failed", UNREADABLE, "stale", "interrupted", "planned")  # what the same command does (again)
# A host that cannot be asked counts as gone when nothing of the run was written for so long; stages log a line a minute.
SILENT_S = 900.0
SIGNS = ("status.json", "metrics.jsonl", "run.log", "logs")


@dataclass(frozen=True)
class State:
    """`name` is one of STATES: planned (nothing has begun), running, stale (it was running, and who ran it is gone), completed,
    failed, interrupted, unreadable. `why` in a few words, "" for completed. `seen`: of its last sign of life, in seconds since
    1970."""

    name: str
    stage: str
    why: str
    host: str
    seen: float


def state_of(folder: Path, status: Mapping[str, Any]) -> State:
    """What `status`, the content of status.json, means now. {} is a folder without it."""
    said, stage = status.get("state"), str(status.get("stage") or "")
    host = str(status.get("host") or "")
    seen = _last_sign(folder) if said == "running" else _changed(folder / "status.json")
    at = f" at {stage}" if stage else ""

    def state(name: str, why: str = "") -> State:
        return State(name, stage, why, host, seen)

    if said == UNREADABLE:
        return state(UNREADABLE, str(status.get("error")))
    if said == "completed":
        if (folder / "metrics.json").is_file():
            return state("completed")
        return state(UNREADABLE, "completed, but metrics.json is missing; run it again to have it written")
    if said in ("planned", "failed", "interrupted") and is_held(folder / LOCK):
        return State("running", "", "running: it prepares", host, _last_sign(folder))
    if said == "failed":
        return state("failed", f"failed{at}: {status.get('error') or 'no reason recorded'}")
    if said == "interrupted":
        return state("interrupted", f"interrupted{at}; the same command goes on from what is finished")
    if said == "planned":
        return state("planned", "planned, never started")
    if said == "running":
        if is_held(folder / LOCK):
            return state("running", f"running{at} on {host or 'this host'}")
        age = time.time() - seen
        if host and host != socket.gethostname() and age < SILENT_S:
            return state("running", f"running{at} on {host}, last sign of life {age:.0f} s ago")
        return state(
            "stale", f"stopped without a word{at}{f' on {host}' if host else ''}; the same command goes on from there"
        )
    return state(UNREADABLE, "no status.json" if not status else "status.json says no state that this version knows")


def _last_sign(folder: Path) -> float:
    found = [_changed(folder / name) for name in SIGNS]
    return max(found, default=0.0)


def _changed(path: Path) -> float:
    """When a file, or the newest in a folder, was last written; 0 for none."""
    try:
        own = path.stat().st_mtime
        return max([own, *(one.stat().st_mtime for one in path.iterdir())]) if path.is_dir() else own
    except OSError:
        return 0.0
