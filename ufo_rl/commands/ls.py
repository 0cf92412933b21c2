"""`ufo-rl ls`: what lies in outputs/, with states, choices, results, costs, and the command that goes on."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError
from ufo_rl.report.disk.how_far import UNREADABLE
from ufo_rl.report.ledger.entries import Entry, entries
from ufo_rl.report.ledger.listing import ledger_table

USAGE = "ufo-rl ls [DIR...] [--failed] [--json]   runs and sweeps: state, choices, results, cost, how to go on"
EVERYTHING = "outputs"
FAILED = ("failed", UNREADABLE, "stale", "interrupted")


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if problems:
        raise UserError(*problems)
    found = entries(asked.folders or [EVERYTHING])
    if asked.failed:
        found = [entry for entry in found if entry.state.name in FAILED]
    if asked.json:
        sys.stdout.write(json.dumps([_row(entry) for entry in found], indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write((ledger_table(found) if found else "Nothing failed.") + "\n")
    return 0


def _row(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "folder": str(entry.folder), "state": entry.state.name, "why": entry.state.why} | {
        "stage": entry.state.stage,
        "host": entry.state.host,
        "results": {name: {"before": before, "after": after} for name, (before, after) in entry.results.items()},
    }


def parser() -> Parser:
    made = Parser(
        "ls",
        "ufo-rl ls [DIR...] [--failed] [--json]",
        "Runs, evaluations, scorings and selections in or below these folders (default: outputs): how far each has "
        "come, the choices in which those of one folder differ, accuracy before and after training, cost, age, and for what is "
        "not done the reason and the command that goes on.",
        "planned: asked for, not begun. stale: it was running, and the process is gone. unreadable: its files are broken, "
        "or of a later version. Example: ufo-rl ls 'outputs/sweeps/*' --failed",
    )
    made.add_argument("folders", metavar="DIR", nargs="*", help="run folders, sweep folders, or patterns of them")
    made.add_argument("--failed", action="store_true", help="those alone that failed, stopped or cannot be read")
    made.add_argument("--json", action="store_true", help="a list of objects, nothing rounded or cut")
    return made
