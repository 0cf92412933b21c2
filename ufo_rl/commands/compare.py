"""`ufo-rl compare`: arms side by side, as a table or as rows for other programs."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from ufo_rl.errors import UserError, nearest
from ufo_rl.report import compare
from ufo_rl.report.arm_rows import FORMATS, arm_rows, written

USAGE = "ufo-rl compare DIR... [--format csv] ...   runs or evaluations side by side, one row per arm"
FLAGS = ("--baseline", "--format", "--help")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"compare: {message}; see ufo-rl compare -h")


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    found, unknown = parser().parse_known_intermixed_args(arguments)
    problems = [
        f"compare {flag}: no such option{nearest(flag.partition('=')[0], FLAGS)} (options: {', '.join(FLAGS)})"
        for flag in unknown
    ]
    shapes = ("table", *FORMATS)
    if found.format not in shapes:
        problems.append(
            f"compare --format {found.format} must be one of {', '.join(shapes)}{nearest(found.format, shapes)}"
        )
    if not found.folders:
        problems.append("compare: name at least one run or sweep folder, for example outputs/sweeps/dev")
    if problems:
        raise UserError(*problems)
    if found.format == "table":
        sys.stdout.write(compare(found.folders, found.baseline) + "\n")
        return 0
    rows, told = arm_rows(found.folders, found.baseline)
    sys.stderr.write("".join(f"ufo-rl: {line}\n" for line in told))
    sys.stdout.write(written(rows, found.format) + "\n")
    return 0


def parser() -> _Parser:
    made = _Parser(
        prog="ufo-rl compare",
        usage="ufo-rl compare DIR... [--baseline ARM] [--format table|csv|json]",
        description="Runs (or evaluations) in or below these folders, one row per arm and seed: accuracy before and after "
        "with 95 % intervals, the difference to a baseline paired by question, what each cost, and warnings.",
        epilog="The rows of csv and json have the keys that README.md lists: accuracies as shares, nothing rounded, empty or "
        "null where unknown; warnings go to stderr. Example: ufo-rl compare outputs/sweeps/dev --baseline random",
        allow_abbrev=False,
    )
    made.add_argument("folders", metavar="DIR", nargs="*", help="run folders, sweep folders, or patterns of them")
    made.add_argument(
        "--baseline",
        metavar="ARM",
        help='the arm that the others are compared with: as the table calls it ("random 10%%"), or a selector (random), which '
        "takes the one of the same ratio, settings and seed (default: full; random where no arm trains on everything)",
    )
    made.add_argument("--format", metavar="FORMAT", default="table", help="table, csv or json (default: table)")
    return made
