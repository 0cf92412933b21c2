"""`ufo-rl compare`: arms side by side, as a table, as rows for other programs, or as a pivot."""

from __future__ import annotations

import argparse
import sys

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError, nearest
from ufo_rl.report import compare
from ufo_rl.report.comparing.arm_rows import arm_rows, written
from ufo_rl.report.comparing.pivot import pivot

USAGE = "ufo-rl compare DIR... [--rows KEY --cols KEY] ...   runs or evaluations side by side, one row per arm"
FORMATS = ("table", "md", "csv", "json")


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    if asked.format not in FORMATS:
        problems.append(
            f"compare --format {asked.format} must be one of {', '.join(FORMATS)}{nearest(asked.format, FORMATS)}"
        )
    if not asked.folders and not asked.wandb:
        problems.append("compare: name at least one run or sweep folder, for example outputs/sweeps/dev")
    if asked.wandb and (asked.rows or asked.format not in ("table", "md")):
        problems.append("compare --wandb makes tables (--format table or md); pivots and rows are of local runs")
    margin = _margin(asked.margin, problems)
    if asked.cols and not asked.rows:
        problems.append("compare --cols goes with --rows KEY: what stands beside it")
    is_table = asked.format in ("table", "md") and not asked.rows
    problems += [
        f"compare {option} {why}"
        for option, is_ignored, why in (
            ("--seeds", asked.seeds and not is_table, "goes with the tables of arms, not with --rows, csv or json"),
            ("--margin", asked.margin and not is_table, "goes with the tables of arms, not with --rows, csv or json"),
            ("--by", asked.by and not asked.rows, "goes with --rows KEY: the benchmark of a pivot"),
            ("--group", asked.group and not asked.wandb, "goes with --wandb ENTITY/PROJECT"),
        )
        if is_ignored
    ]
    if problems:
        raise UserError(*problems)
    if asked.wandb:
        text, told = _of_wandb(asked, margin), []
    elif asked.rows:
        text, told = pivot(asked.folders, asked.rows, asked.cols, asked.by, asked.baseline, asked.format)
    elif asked.format in ("table", "md"):
        is_md = asked.format == "md"
        text, told = compare(asked.folders, asked.baseline, margin, asked.seeds, is_md), []
    else:
        rows, told = arm_rows(asked.folders, asked.baseline)
        text = written(rows, asked.format)
    sys.stderr.write("".join(f"ufo-rl: {line}\n" for line in told))
    sys.stdout.write(text + "\n")
    return 0


def _of_wandb(asked: argparse.Namespace, margin: float | None) -> str:
    from ufo_rl.report.comparing.comparison import compare_runs
    from ufo_rl.report.disk.remote_run import remote_run
    from ufo_rl.report.disk.run_folders import find_runs
    from ufo_rl.tracking.remote import runs_of

    runs = [remote_run(one) for one in runs_of(asked.wandb, asked.group)]
    local = find_runs(asked.folders) if asked.folders else []
    return compare_runs([*runs, *local], asked.baseline, margin, asked.seeds, asked.format == "md")


def _margin(asked: str | None, problems: list[str]) -> float | None:
    """Points to a share."""
    if asked is None:
        return None
    try:
        points = float(asked)
    except ValueError:
        points = 0.0
    if not 0 < points <= 100:
        problems.append(f"compare --margin {asked} must be points of accuracy, a number in (0, 100]")
    return points / 100


def parser() -> Parser:
    made = Parser(
        "compare",
        "ufo-rl compare DIR... [--baseline ARM] [--seeds] [--margin POINTS]\n"
        "       [--rows KEY [--cols KEY] [--by BENCHMARK]] [--format table|md|csv|json]\n"
        "       ufo-rl compare --wandb ENTITY/PROJECT [--group NAME] ...",
        "Runs (or evaluations) in or below these folders, one row per arm over its seeds: accuracy before and after with 95 % "
        "intervals, the difference to a baseline paired by question, a verdict that holds for all comparisons together, what "
        "each cost with scoring, what is missing, and warnings.",
        "The rows of csv and json have the keys that README.md lists: a row a run and benchmark, accuracies as shares, nothing "
        "rounded, empty or null where unknown; warnings go to stderr. Example: ufo-rl compare outputs/sweeps/ratio --rows "
        "selector --cols ratio",
    )
    made.add_argument("folders", metavar="DIR", nargs="*", help="run folders, sweep folders, or patterns of them")
    made.add_argument(
        "--baseline",
        metavar="ARM",
        help='the arm that the others are compared with: as the table calls it ("random 10%%"), or a selector (random), which '
        "takes the one of the same ratio, settings and seed (default: full; random where no arm trains on everything)",
    )
    made.add_argument(
        "--seeds",
        action="store_true",
        help="below each arm a row for every seed, and one, + questions, whose interval also covers other questions",
    )
    made.add_argument(
        "--margin",
        metavar="POINTS",
        help="also say which arms are not worse than the baseline by more than so many points",
    )
    made.add_argument(
        "--rows", metavar="KEY", help="a pivot: a row for each value of a key (selector, ratio, train.beta, arm)"
    )
    made.add_argument("--cols", metavar="KEY", help="and a column for each value of another")
    made.add_argument(
        "--by", metavar="BENCHMARK", help="of the pivot: the accuracy on this one (default: all, one below the other)"
    )
    made.add_argument(
        "--wandb",
        metavar="ENTITY/PROJECT",
        help="runs from W&B's server (and local ones beside them), paired by seed, not by question",
    )
    made.add_argument("--group", metavar="NAME", help="of these only those of one experiment (its name=...)")
    made.add_argument("--format", metavar="FORMAT", default="table", help="table, md, csv or json (default: table)")
    return made
