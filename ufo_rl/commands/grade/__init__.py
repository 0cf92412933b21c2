"""`ufo-rl grade FILE`: verdicts on completions of other systems, and an audit of another grader.

options   the words of the command line          flow      from the file to the tables
rows      golds and completions of a file        tally     counts and tables
"""

from __future__ import annotations

import logging
import sys

USAGE = "ufo-rl grade FILE [--gold COLUMN] ...   grade the completions of any system, audit another grader"


def help() -> str:
    from ufo_rl.commands.grade.options import parser

    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    from ufo_rl.commands.grade.options import read_options

    options = read_options(arguments)
    from ufo_rl.commands.grade.flow import grade_file

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    sys.stdout.write(grade_file(options) + "\n")
    return 0
