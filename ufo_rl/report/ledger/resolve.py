"""From what a user calls a run to its folder: a path, or a part of its name, such as the hash that `ufo-rl ls` shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ufo_rl.errors import UserError, nearest
from ufo_rl.report.disk.kept_record import ENDING
from ufo_rl.report.disk.run_folders import folders_below
from ufo_rl.report.ledger.entries import KINDS

MAX_SHOWN = 5


def folder_of(word: str, outputs: str | Path = "outputs") -> Path:
    """The folder. UserError where none or several are meant."""
    path = Path(word).expanduser()
    if path.is_dir():
        found = folders_below([path], KINDS)
        if len(found) == 1:
            return found[0]
        raise UserError(f"{word} holds {len(found)} runs; name one of them: {_some(found)}")
    if path.is_file() and path.name.endswith(ENDING):
        raise UserError(
            f"{word} is a record: numbers, without prompts and completions; ufo-rl ls and ufo-rl compare read it"
        )
    known = folders_below([outputs], KINDS)
    exact = [one for one in known if one.name == word or one.name.rpartition("-")[2] == word]
    found = exact or [one for one in known if word in one.name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{word}: {len(found)} runs are called so; name one of them: {_some(found)}")
    raise UserError(
        f"{word}: no such folder, and no run in {outputs} is called so{nearest(word, [one.name for one in known])} (ufo-rl ls)"
    )


def _some(folders: Sequence[Path]) -> str:
    more = f" and {len(folders) - MAX_SHOWN} more" if len(folders) > MAX_SHOWN else ""
    return ", ".join(str(one) for one in folders[:MAX_SHOWN]) + more
