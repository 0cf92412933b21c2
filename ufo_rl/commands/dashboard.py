"""`ufo-rl dashboard`: a W&B workspace (and report) for comparing arms."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import write_json

USAGE = "ufo-rl dashboard ENTITY/PROJECT [DIR...] [--dry-run FILE]   a W&B workspace that compares arms"


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    entity, _, project = (asked.project or "").partition("/")
    if not entity or not project or "/" in project:
        problems.append(f"dashboard: name the project as ENTITY/PROJECT, not {asked.project!r}")
    if asked.report and not asked.folders:
        problems.append("dashboard --report: name the runs that it compares, for example outputs/sweeps/ratio")
    if problems:
        raise UserError(*problems)
    from ufo_rl.report import compare
    from ufo_rl.tracking.dashboard import check_installed, report, save, specification, workspace

    check_installed()
    benchmarks, baseline = _of(asked.folders, asked.baseline)
    if asked.eval:
        benchmarks = asked.eval.split(",")
    if not benchmarks:
        raise UserError("dashboard: name runs (DIR), or the benchmarks of the project: --eval math500,gsm8k")
    made = {"workspace": workspace(entity, project, benchmarks, baseline, asked.group)}
    if asked.report:
        text = compare(asked.folders, asked.baseline, is_markdown=True)
        made["report"] = report(entity, project, f"ufo-rl: {', '.join(asked.folders)}", text, benchmarks, asked.group)
    if asked.dry_run:
        write_json(Path(asked.dry_run), {name: specification(one) for name, one in made.items()})
        sys.stdout.write(f"{Path(asked.dry_run).absolute()}\n")
        return 0
    for one in made.values():
        sys.stdout.write(f"{save(one)}\n")
    return 0


def _of(folders: list[str], asked: str | None) -> tuple[list[str], str | None]:
    """The benchmarks of some runs, and the W&B id of their baseline's first seed."""
    from ufo_rl.report.comparing.pairing import gather
    from ufo_rl.report.disk.run_folders import RUN_FILE, find_runs
    from ufo_rl.report.disk.run_record import read_object

    if not folders:
        return [], None
    names: dict[str, Any] = {}
    baseline = None
    for block in gather(find_runs(folders), asked):
        names |= dict.fromkeys(block.results)
        firsts = [one.run for results in block.results.values() for one in results if one.is_baseline]
        if firsts and baseline is None:
            baseline = read_object(firsts[0].folder / RUN_FILE).get("wandb_id")
    return list(names), baseline


def parser() -> Parser:
    made = Parser(
        "dashboard",
        "ufo-rl dashboard ENTITY/PROJECT [DIR...] [--report] [--eval NAMES] [--baseline ARM] [--group NAME] [--dry-run FILE]",
        "A W&B workspace for a project: runs grouped by arm (seeds together), results against cost, curves with "
        "bands, kept prompts and "
        "completions, what differs; pinned columns, and a baseline run where local runs say which. With --report "
        "also a W&B report that "
        "begins with the comparison of these runs.",
        "--dry-run writes the specification to a file, and needs no key. Needs: pip install 'ufo-rl[dashboard]'",
    )
    made.add_argument("project", metavar="ENTITY/PROJECT", nargs="?", help="where W&B keeps the runs")
    made.add_argument("folders", metavar="DIR", nargs="*", help="local runs of it, which say benchmarks and baseline")
    made.add_argument("--report", action="store_true", help="also a report")
    made.add_argument("--eval", metavar="NAMES", help="benchmarks, where no runs are named: math500,gsm8k")
    made.add_argument("--baseline", metavar="ARM", help="as for ufo-rl compare")
    made.add_argument("--group", metavar="NAME", help="only the runs of one experiment (its name=...)")
    made.add_argument("--dry-run", metavar="FILE", help="write the specification there, send nothing")
    return made
