"""The checkpoints of a training, and whether their files are those that were saved."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.files.keys import digest

log = logging.getLogger(__name__)
OURS = "ufo_rl.json"  # written last, when every rank has written its part: a checkpoint with it is whole, and ours
FILES = "files"  # in it: the checksum of each file, of its own other keys too
READERS = 4  # a disk and hashing on one core would wait for each other


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.split("-")[1])


def by_step(work: Path) -> list[Path]:
    """The folders of checkpoints, the newest last."""
    return sorted(work.glob("checkpoint-*"), key=step_of)


def last_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint; torsos of a killed save are removed."""
    steps = by_step(work)
    whole = [path for path in steps if (path / OURS).is_file()]
    for torso in steps:
        if torso not in whole:
            shutil.rmtree(torso, ignore_errors=True)  # every rank may try
    return whole[-1] if whole else None


def seal(checkpoint: Path, state: Mapping[str, Any]) -> None:
    """Write OURS: the state, and what every file holds now."""
    write_json(checkpoint / OURS, {**state, FILES: {**_checksums(checkpoint), OURS: _own(state)}})


def remove_damaged(work: Path) -> None:
    """Leave no checkpoint that a training would go on from although a file of it is not what was saved; each is told."""
    while (checkpoint := last_checkpoint(work)) is not None:
        wrong = _differing(checkpoint)
        if not wrong:
            return
        shutil.rmtree(checkpoint)
        before = last_checkpoint(work)
        instead = "training begins anew" if before is None else f"training goes on from {before.name}"
        log.warning(
            "%s is damaged and removed, not as it was saved: %s; %s", checkpoint.name, ", ".join(wrong), instead
        )


def _differing(checkpoint: Path) -> list[str]:
    try:
        state = read_json(checkpoint / OURS)
        saved = state.pop(FILES, None)
    except (UserError, OSError, AttributeError):
        return [OURS]
    if saved is None:
        log.info(
            "%s has no checksums, an earlier version made it: nothing says whether it is as it was saved",
            checkpoint.name,
        )
        return []
    there = {**_checksums(checkpoint), OURS: _own(state)}
    return [name for name in sorted(saved.keys() | there.keys()) if saved.get(name) != there.get(name)]


def _own(state: Mapping[str, Any]) -> str:
    return digest(json.loads(json.dumps(state)))


def _checksums(checkpoint: Path) -> dict[str, str]:
    """Of every file but OURS, by its path inside."""
    paths = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != OURS)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(_checksum, paths)
        return {str(path.relative_to(checkpoint)): one for path, one in zip(paths, found, strict=True)}


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:  # what a disk does not give back is not what was saved
        return f"unreadable: {error.strerror}"
