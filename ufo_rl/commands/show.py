"""`ufo-rl show`: one run, evaluation, scoring or selection, as far as a terminal can show it."""

from __future__ import annotations

import sys

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError
from ufo_rl.report.ledger.resolve import folder_of
from ufo_rl.report.single.shown import shown

USAGE = "ufo-rl show RUN [--examples N]   what a run did: results, curves, completions, kept prompts and why, its files"


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if asked.examples < 0:
        problems.append(f"show --examples {asked.examples} must be 0 or more")
    if not asked.runs:
        problems.append("show: name a run: its folder, or the hash that ufo-rl ls shows")
    if problems:
        raise UserError(*problems)
    sys.stdout.write("\n\n\n".join(shown(folder_of(word), asked.examples) for word in asked.runs) + "\n")
    return 0


def parser() -> Parser:
    made = Parser(
        "show",
        "ufo-rl show RUN... [--examples N]",
        "What a run was and did: state, results, curves of the training as text, completions, the prompts that it "
        "kept with the "
        "numbers that decided, and where its files are.",
        "RUN is a folder, or a part of a run's name that no other one has, such as the hash at its end. Example: "
        "ufo-rl show 49e2d15a",
    )
    made.add_argument("runs", metavar="RUN", nargs="*", help="a folder, a run's name or its hash")
    made.add_argument(
        "--examples", metavar="N", type=int, default=3, help="of prompts and completions of each kind (default: 3)"
    )
    return made
