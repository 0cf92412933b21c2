"""The words behind `ufo-rl grade`, checked: every mistake in one message."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ufo_rl.errors import UserError, nearest
from ufo_rl.files.rows import SUFFIXES, check_file
from ufo_rl.grader.math.process.other import MATH_VERIFY

WRITTEN = (".jsonl", ".parquet")
FUNCTION = re.compile(r"\w+(?:\.\w+)*:\w+(?:\.\w+)*")


@dataclass(frozen=True)
class Options:
    """`gold` and `completion` are column paths, `audit` is math_verify or package.module:function, `overrides` are those
    of the grader, whose own options may lie in `config_dir`."""

    file: Path
    gold: str
    completion: str
    out: Path | None
    audit: str | None
    config_dir: str | None
    overrides: tuple[str, ...]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"grade: {message}; see ufo-rl grade -h")


def parser() -> argparse.ArgumentParser:
    """Its help is what `ufo-rl grade -h` shows."""
    made = _Parser(
        prog="ufo-rl grade",
        usage="ufo-rl grade FILE [--gold COLUMN] [--completion COLUMN] [--out FILE] [--audit GRADER] [KEY=VALUE...]",
        description="Grade the completions of any system: is the final answer of each the reference answer of its row?",
        epilog="A column inside others is a path: reward_model.ground_truth, prompt.0.content. A row whose reference answer "
        "cannot be graded against stops the command before anything is graded. KEY=VALUE chooses the grader or sets "
        "one of its keys, for example grader.ordered=true or \"grader.markers=['Ergebnis: (.+)']\". "
        "Example: ufo-rl grade rollouts.jsonl --gold answer --out graded.jsonl --audit math_verify",
        allow_abbrev=False,
    )
    made.add_argument(
        "file", metavar="FILE", nargs="?", default="", help=f"rows to grade, a file ending in {', '.join(SUFFIXES)}"
    )
    made.add_argument("words", metavar="KEY=VALUE", nargs="*", help=argparse.SUPPRESS)
    made.add_argument(
        "--gold", metavar="COLUMN", default="gold", help="column of the reference answers (default: gold)"
    )
    made.add_argument(
        "--completion",
        metavar="COLUMN",
        default="completion",
        help="column of the completions: a text, or a list of texts for several samples (default: completion)",
    )
    made.add_argument(
        "--out",
        metavar="FILE",
        help="write all columns and the verdicts (extracted, correct, method, reason) to this .jsonl or .parquet file",
    )
    made.add_argument(
        "--audit",
        metavar="GRADER",
        help="compare with another grader and list where the two disagree: math_verify, or package.module:function, a "
        "function (gold, completion) -> bool of an installed package or of this folder. It runs in child processes "
        "with the same limit of CPU time a call and 2 GiB of memory; a crash, a timeout or a stall counts as wrong",
    )
    made.add_argument(
        "--config-dir", "-cd", metavar="DIR", help="folder with options of your own, for example conf/grader/mine.yaml"
    )
    return made


def read_options(arguments: Sequence[str]) -> Options:
    """Raises UserError with every mistake: key, value, cure. The file is not opened yet."""
    found, unknown = parser().parse_known_intermixed_args(arguments)
    flags = ("--gold", "--completion", "--out", "--audit", "--config-dir")
    problems = [
        f"grade {flag}: no such option{nearest(flag, flags)} (options: {', '.join(flags)})"
        for flag in unknown
        if flag.startswith("-")
    ]
    if not unknown:
        problems += filter(None, map(_problem_of_word, found.words))
    file, out = Path(found.file).expanduser(), None if found.out is None else Path(found.out).expanduser()
    if not found.file:
        problems.append("grade: name a file, for example ufo-rl grade rollouts.jsonl --gold answer")
    elif file.suffix not in SUFFIXES:
        problems.append(f"grade {file}: files end in {', '.join(SUFFIXES)}; convert or rename the file")
    else:
        try:
            check_file(f"grade {file}", file)
        except UserError as error:
            problems += error.problems
    problems += [f"--{key} '' must name a column" for key in ("gold", "completion") if not getattr(found, key)]
    if out is not None and out.suffix not in WRITTEN:
        problems.append(f"--out {out} must end in {' or '.join(WRITTEN)}")
    elif out is not None and out.resolve() == file.resolve():
        problems.append(f"--out {out} is the file that is graded, which is never overwritten; choose another name")
    if found.audit is not None and found.audit != MATH_VERIFY and not FUNCTION.fullmatch(found.audit):
        problems.append(f"--audit {found.audit} must be {MATH_VERIFY} or package.module:function")
    if problems:
        raise UserError(*problems)
    return Options(file, found.gold, found.completion, out, found.audit, found.config_dir, tuple(found.words))


def _problem_of_word(word: str) -> str:
    key, sign, value = word.partition("=")
    if not sign:
        return f"grade {word}: one file at a time"
    if key in ("gold", "completion", "out", "audit"):
        return f"grade {word}: write --{key} {value}"
    if key.lstrip("+").split(".")[0] not in ("grader", "plugins"):
        return f"grade {word}: has no effect on grading; set grader, or one of its keys, such as grader.ordered"
    return ""
