"""`ufo-rl report`: what a sweep found as one page, and its figures for a paper."""

from __future__ import annotations

import sys
from pathlib import Path

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError

USAGE = (
    "ufo-rl report DIR... [--figures DIR] ...   a page with figures of what lies there; figures as PDF, PNG, SVG, CSV"
)
NAME = "report.html"


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if not asked.folders:
        problems.append("report: name at least one run or sweep folder, for example outputs/sweeps/demo")
    if problems:
        raise UserError(*problems)
    from ufo_rl.report.page.page import write_page

    first = Path(asked.folders[0])
    out = Path(asked.out) if asked.out else (first if first.is_dir() and len(asked.folders) == 1 else Path()) / NAME
    figures = Path(asked.figures) if asked.figures else None
    write_page(asked.folders, out, asked.baseline, figures, lambda text: sys.stderr.write(f"{text}\n"))
    sys.stdout.write(f"{out.absolute()}\n")
    return 0


def parser() -> Parser:
    made = Parser(
        "report",
        "ufo-rl report DIR... [--out FILE] [--figures DIR] [--baseline ARM]",
        "One HTML page of the runs in or below these folders, without scripts or requests: results with verdicts, "
        "accuracy against "
        "ratio and cost, training curves, the selection, costs, all runs. With --figures every figure as PDF, "
        "PNG, SVG and as the CSV "
        "of its numbers.",
        f"Example: ufo-rl report outputs/sweeps/demo --figures figures (the page is outputs/sweeps/demo/{NAME})",
    )
    made.add_argument("folders", metavar="DIR", nargs="*", help="run folders, sweep folders, or patterns of them")
    made.add_argument("--out", metavar="FILE", help=f"the page (default: {NAME} in the folder)")
    made.add_argument("--figures", metavar="DIR", help="also write every figure there")
    made.add_argument("--baseline", metavar="ARM", help="as for ufo-rl compare")
    return made
