"""`ufo-rl rm`: run folders removed, never one that works or that others build on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import Problems, UserError
from ufo_rl.files.atomic import LOCK, is_held, locked
from ufo_rl.report.disk.how_far import state_of
from ufo_rl.report.ledger.entries import entries_of
from ufo_rl.report.ledger.references import builders_on
from ufo_rl.report.ledger.resolve import folder_of
from ufo_rl.report.ledger.sizes import in_bytes, size_of

USAGE = "ufo-rl rm RUN... [--yes]   remove runs; never one that is running or that others build on"


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, wrong = parser().read(arguments)
    problems = Problems(wrong)
    if not asked.runs:
        problems.add("rm: name a run: its folder, or the hash that ufo-rl ls shows")
    found = [folder for word in asked.runs if (folder := problems.attempt(folder_of, word)) is not None]
    folders = list(dict.fromkeys(folder.resolve() for folder in found))
    for folder in folders:
        problems.add(*_why_not(folder, folders))
    problems.raise_any()
    sys.stdout.write("".join(f"{folder}  {in_bytes(size_of(folder))}\n" for folder in folders))
    if not asked.yes and not _agreed(len(folders)):
        sys.stdout.write("nothing was removed\n")
        return 1
    for folder in folders:
        problems.add(*_why_not(folder, folders))  # it may have been started, or built on, since
    problems.raise_any()
    for folder in folders:
        with locked(folder / LOCK, folder.name, waits=False):  # who begins now waits, and finds an empty place
            shutil.rmtree(folder)
    sys.stdout.write("removed; ufo-rl gc says what of the cache nobody uses now\n")
    return 0


def _why_not(folder: Path, together: list[Path]) -> list[str]:
    """Why a folder has to stay; `together` with it others are to go."""
    (entry,) = entries_of([folder])
    if is_held(folder / LOCK) or (entry.kind == "run" and entry.state.name == "running"):
        return [f"{folder.name} is running ({state_of(folder, {'state': 'running'}).why}); stop it first"]
    others = [other.name for other in builders_on(folder) if other not in together]
    if others:
        them = "it" if len(others) == 1 else "them"
        return [
            f"{folder.name} is used by {', '.join(others)} (or that cannot be read); remove {them} first, or together"
        ]
    return []


def _agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        raise UserError(
            f"rm: nobody is there to be asked; ufo-rl rm ... --yes removes {'it' if number == 1 else 'them'}"
        )
    sys.stdout.write(f"remove {'this' if number == 1 else f'these {number}'} for good? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def parser() -> Parser:
    made = Parser(
        "rm",
        "ufo-rl rm RUN... [--yes]",
        "Remove the folders of runs, evaluations, scorings or selections for good. One that is running, or that another run's "
        "configuration names (a policy that was trained or evaluated further), stays. The cache that all runs "
        "share is not touched.",
        "Example: ufo-rl rm 49e2d15a",
    )
    made.add_argument("runs", metavar="RUN", nargs="*", help="a folder, a run's name or its hash")
    made.add_argument("--yes", action="store_true", help="do not ask")
    return made
