"""`ufo-rl record`: finished runs as small files that can be committed and compared."""

from __future__ import annotations

import sys
from pathlib import Path

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError

USAGE = "ufo-rl record DIR... --to FOLDER   finished runs as one small file each, to be committed; compare reads them"


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if not asked.folders:
        problems.append("record: name at least one run or sweep folder, for example outputs/sweeps/ratio")
    if not asked.to:
        problems.append("record: say where to: --to sweeps/results/ratio")
    if problems:
        raise UserError(*problems)
    from ufo_rl.report.comparing.comparison import incomplete
    from ufo_rl.report.disk.kept_record import write_record
    from ufo_rl.report.disk.run_folders import find_runs

    runs = find_runs(asked.folders)
    written, left, failed = set[Path](), incomplete(runs), 0
    for one in runs:
        if one.is_evaluation:
            left.append(f"{one.id}: nothing was trained for it")
        elif one.is_complete:
            try:
                written.add(write_record(one, Path(asked.to)))
            except UserError as error:
                left.append(error.problems[0])
                failed = 1
    sys.stdout.write(f"{len(written)} {'record' if len(written) == 1 else 'records'} in {asked.to}\n")
    for line in left:
        sys.stderr.write(f"ufo-rl: not recorded: {line}\n")
    return failed


def parser() -> Parser:
    made = Parser(
        "record",
        "ufo-rl record DIR... --to FOLDER",
        "Each finished run below these folders as one file of a few kilobytes: command, commit, configuration, "
        "results with the verdict "
        "on every question, costs, curves. ufo-rl compare, ls and report read folders of such files as they read run folders.",
        "Example: ufo-rl record outputs/sweeps/ratio --to sweeps/results/ratio",
    )
    made.add_argument("folders", metavar="DIR", nargs="*", help="run folders, sweep folders, or patterns of them")
    made.add_argument("--to", metavar="FOLDER", help="where the files are written")
    return made
