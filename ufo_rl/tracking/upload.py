"""Offline W&B runs sent to the server, and what they were made from told there, as W&B cannot say it offline.

The upload itself has never met a server; what is sent, in which order, and by which command is tested.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.tracking.mode import files_folder, has_key, reason

PREFIX = "offline-run-"


@dataclass(frozen=True)
class Waiting:
    """A W&B id and its offline folders, one an attempt, in the order in which they began."""

    wandb_id: str
    folders: Sequence[Path]


def waiting(outputs: Path) -> list[Waiting]:
    """What W&B has not had yet."""
    found: dict[str, list[Path]] = {}
    for folder in sorted(files_folder(outputs).glob(f"{PREFIX}*")):
        if any(folder.glob("*.wandb")) and not any(folder.glob("*.wandb.synced")):
            found.setdefault(folder.name.rpartition("-")[2], []).append(folder)
    return [Waiting(wandb_id, folders) for wandb_id, folders in found.items()]


def upload(runs: Sequence[Waiting], records: Mapping[str, Path], tell: Callable[[str], object]) -> list[str]:
    """Send them, then replay the inputs that lineage.json of their run folders (`records`, by W&B id) names. Returns
    what did not go; UserError without a key."""
    if not has_key():
        raise UserError("sync: no W&B key; run `wandb login`, or set WANDB_API_KEY")
    problems = []
    for run in runs:
        command = [sys.executable, "-m", "wandb", "sync", "--yes", *map(str, run.folders)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
            problems.append(f"{run.wandb_id}: {last[0]}")
            continue
        tell(f"{run.wandb_id}: sent ({len(run.folders)} parts)")
        if run.wandb_id in records:
            problems += _replay(run.wandb_id, records[run.wandb_id])
    return problems


def inputs_of(folder: Path) -> list[dict[str, Any]]:
    """The artifacts that a run was given, of lineage.json; [] where it has none, they are told already, or it is broken."""
    path = folder / "lineage.json"
    try:
        found = read_json(path) if path.is_file() else []
    except UserError:
        return []
    known = [one for one in found if isinstance(one, dict) and "name" in one] if isinstance(found, list) else []
    return [one for one in known if one.get("is_input") and not one.get("is_told")]


def _replay(wandb_id: str, folder: Path) -> list[str]:
    import wandb

    asked = inputs_of(folder)
    if not asked:
        return []
    record = read_json(folder / "run.json")
    try:
        api = wandb.Api()
        place = f"{record.get('entity') or api.default_entity}/{record.get('project')}"
        run = api.run(f"{place}/{wandb_id}")
        for one in asked:
            run.use_artifact(api.artifact(f"{place}/{one['name']}:latest"))
    except Exception as error:  # the network, the server, a name that it does not know
        return [f"{wandb_id}: sent, but what it was made from is not told ({reason(error)})"]
    told = {one["name"] for one in asked}
    whole = read_json(folder / "lineage.json")
    write_json(
        folder / "lineage.json", [{**one, **({"is_told": True} if one["name"] in told else {})} for one in whole]
    )
    return []
