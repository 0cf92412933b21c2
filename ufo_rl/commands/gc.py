"""`ufo-rl gc`: what of the cache nobody uses, and its removal."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import LOCK, is_held, locked
from ufo_rl.report.ledger.references import CACHES, Cached, cache_of
from ufo_rl.report.ledger.sizes import in_bytes
from ufo_rl.report.text import table

USAGE = "ufo-rl gc [--remove]   the cache: sizes, what runs use, what nobody uses (and remove that)"
OUTPUTS = Path("outputs")


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if not OUTPUTS.is_dir():
        problems.append(f"gc: there is no folder {OUTPUTS} here; start it where the runs were started")
    if problems:
        raise UserError(*problems)
    cache = cache_of(OUTPUTS)
    unused = [one for one in cache.entries if not one.users]
    rows = [
        [kind, str(len(own)), in_bytes(_total(own)), str(len(free)), in_bytes(_total(free))]
        for kind in CACHES
        for own in [[one for one in cache.entries if one.folder.parent.name == kind]]
        for free in [[one for one in own if not one.users]]
    ]
    sys.stdout.write(table(["cache", "folders", "size", "unused", "size"], rows) + "\n")
    if cache.silent:
        sys.stdout.write(
            f"{len(cache.silent)} runs do not say what they use, first {cache.silent[0]}: an earlier version made "
            f"them. Nothing "
            "counts as unused that may be theirs; run them again, or remove them (ufo-rl rm)\n"
        )
        unused = []
    if not asked.remove:
        sys.stdout.write("".join(f"unused: {one.folder}  {in_bytes(one.size)}\n" for one in unused))
        sys.stdout.write("ufo-rl gc --remove frees it\n" if unused else "nothing is to be freed\n")
        return 0
    freed = sum(_removed(one) for one in unused)
    sys.stdout.write(f"freed {in_bytes(freed)}\n")
    return 0


def _removed(one: Cached) -> int:
    """Bytes that its removal freed: 0 where somebody works in it at this moment."""
    lock = one.folder.parent / f"{one.folder.name}.lock"
    if is_held(one.folder / LOCK) or is_held(lock):
        return 0
    # who needs it now waits, and measures it anew; the lock's file stays, as he waits on it
    with suppress(UserError), locked(lock, one.folder.name, waits=False):
        shutil.rmtree(one.folder)
        return one.size
    return 0


def _total(entries: list[Cached]) -> int:
    return sum(one.size for one in entries)


def parser() -> Parser:
    made = Parser(
        "gc",
        "ufo-rl gc [--remove]",
        "What the cache below outputs/ holds (measurements of prompts, completions, evaluations), how large it "
        "is, and which of it "
        "no run uses: what it would take to measure it again is lost with it.",
        "Runs below outputs/ say what they use in uses.json; of others (hydra.run.dir) it knows nothing. "
        "Example: ufo-rl gc --remove",
    )
    made.add_argument("--remove", action="store_true", help="remove what nobody uses")
    return made
