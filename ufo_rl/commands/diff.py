"""`ufo-rl diff`: two runs, what they were asked and where they part."""

from __future__ import annotations

import sys

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError
from ufo_rl.report.ledger.resolve import folder_of
from ufo_rl.report.single.difference import difference

USAGE = "ufo-rl diff A B   two runs: keys that differ, prompts that one kept alone, questions whose verdict flipped"


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if len(asked.runs) != 2:
        problems.append(
            f"diff takes two runs, {len(asked.runs)} are named; a run is its folder, or the hash that ufo-rl ls shows"
        )
    if problems:
        raise UserError(*problems)
    a, b = map(folder_of, asked.runs)
    sys.stdout.write(difference(a, b) + "\n")
    return 0


def parser() -> Parser:
    made = Parser(
        "diff",
        "ufo-rl diff A B",
        "Two runs: the keys in which their configurations differ, the prompts that one of them kept alone, and "
        "for each benchmark "
        "the questions whose verdict flipped, with McNemar's exact test.",
        "A and B are folders, or parts of runs' names that no other one has. Example: ufo-rl diff 49e2d15a 0dd0a644",
    )
    made.add_argument("runs", metavar="RUN", nargs="*", help="a folder, a run's name or its hash")
    return made
