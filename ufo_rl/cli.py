"""The command line: `ufo-rl OVERRIDES...` runs experiments, a first word without `=` is a command."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser

from ufo_rl.commands.grade.options import parser, read_options
from ufo_rl.errors import StageFailed, UserError

GOES_ON = ("evaluate",)  # commands that keep what is finished when they are stopped
OK, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def entry() -> None:
    """Entry of the console script."""
    sys.exit(main())


def main() -> int:
    """Run sys.argv; returns the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    arguments = sys.argv[1:]
    if "--version" in arguments:
        sys.stdout.write(f"ufo-rl {version('ufo-rl')}\n")
        return OK
    try:
        if arguments and "=" not in arguments[0] and not arguments[0].startswith("-"):
            return command(arguments[0], arguments[1:])
        return experiments()
    except UserError as error:
        for problem in error.problems:
            sys.stderr.write(f"ufo-rl: {problem}\n")
        return MISTAKE
    except StageFailed as error:
        sys.stderr.write(f"ufo-rl: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("ufo-rl: interrupted; the same command goes on from what is finished\n")
        return INTERRUPTED


def _terminate(number: int, frame: Any) -> None:
    """SIGTERM ends a run as Ctrl-C does: ranks are stopped, what is finished stays."""
    raise KeyboardInterrupt


def command(name: str, arguments: list[str]) -> int:
    """A command that is no experiment; -h anywhere shows how it is used."""
    from ufo_rl.errors import nearest

    if name == "help":
        sys.argv[1:] = ["--help"]
        return experiments()
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise UserError(f"{name}: no such command{nearest(name, COMMANDS)} (commands: {known}; experiments: key=value)")
    usage, run = COMMANDS[name]
    if any(word in ("-h", "--help") for word in arguments):
        sys.stdout.write(f"{usage}\n")
        return OK
    try:
        return run(arguments)
    except KeyboardInterrupt:
        if name in GOES_ON:
            raise
        sys.stderr.write(f"ufo-rl: {name} interrupted; nothing was written\n")
        return INTERRUPTED


def _compare(arguments: list[str]) -> int:
    from ufo_rl.report import compare

    if not arguments:
        raise UserError("compare: name at least one run or sweep folder, for example outputs/sweeps/dev")
    sys.stdout.write(compare([Path(a) for a in arguments]) + "\n")
    return OK


def _doctor(arguments: list[str]) -> int:
    from ufo_rl.commands.doctor.command import doctor

    parsed = get_args_parser().parse_intermixed_args(arguments)
    sys.stdout.write(doctor(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
    return OK


def _evaluate(arguments: list[str]) -> int:
    from ufo_rl.commands.evaluate import evaluate

    _log_to_stderr()
    parsed = get_args_parser().parse_intermixed_args(arguments)
    tables = evaluate(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    sys.stdout.write("\n\n".join(tables) + "\n")
    return OK


def _grade(arguments: list[str]) -> int:
    options = read_options(arguments)
    from ufo_rl.commands.grade.command import grade_file

    _log_to_stderr()
    sys.stdout.write(grade_file(options) + "\n")
    return OK


def _log_to_stderr() -> None:
    """Commands that Hydra does not run log as it does; results alone go to stdout."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)


def _contamination(arguments: list[str]) -> int:
    from ufo_rl.commands.contamination import overlaps

    parsed = get_args_parser().parse_intermixed_args(arguments)
    if parsed.multirun:
        raise UserError("contamination: one dataset at a time, without -m; several benchmarks are eval=[math500,amc23]")
    sys.stdout.write(overlaps(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
    return OK


COMMANDS: dict[str, tuple[str, Callable[[list[str]], int]]] = {
    "evaluate": (
        "ufo-rl evaluate OVERRIDES...   a model on benchmarks, without training: model.path=FOLDER eval=[math500,gsm8k]; "
        "-m for several",
        _evaluate,
    ),
    "compare": ("ufo-rl compare DIR...   the runs in these run or sweep folders, one row per arm", _compare),
    "doctor": ("ufo-rl doctor OVERRIDES...   is the selection of this configuration stable enough to trust?", _doctor),
    "grade": (parser().format_help().rstrip(), _grade),
    "contamination": (
        "ufo-rl contamination OVERRIDES...   which prompts of the dataset are questions of the chosen benchmarks?",
        _contamination,
    ),
}


def experiments() -> int:
    """Validate all jobs of the command line, then let Hydra run them; 1 if any job did not complete."""
    from ufo_rl.config.open_nodes import freely
    from ufo_rl.run import start

    parsed = get_args_parser().parse_intermixed_args(sys.argv[1:])
    flags = [word for word in sys.argv[1:] if word not in parsed.overrides]
    sys.argv[1:] = [*flags, *freely(parsed.overrides)]  # Hydra alone refuses flags between overrides
    if parsed.help or parsed.hydra_help or parsed.shell_completion or parsed.info:
        start()
        return OK
    if parsed.config_path:
        raise UserError("--config-path replaces all of conf/; add a folder of your own with --config-dir")
    if parsed.cfg:
        if parsed.multirun:
            raise UserError("--cfg shows one configuration: leave -m out, and give one value per key")
        from ufo_rl.config.compose import compose_jobs

        compose_jobs(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
        start()
        return OK
    from ufo_rl.config.compose import check

    jobs = check(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    start()
    return outcome([job.folder for job in jobs])


def outcome(folders: Sequence[Path]) -> int:
    """What became of the jobs: the arms of a sweep in one table, each failed job with its reason."""
    from ufo_rl.experiment.life import Status
    from ufo_rl.report import compare

    unique = list(dict.fromkeys(folders))
    failed = [folder for folder in unique if not Status(folder).is_completed()]
    if len(unique) > 1:
        sys.stdout.write(f"\n{compare(unique)}\n")
    for folder in failed:
        sys.stderr.write(f"ufo-rl: {folder} did not complete: {Status(folder).error()}\n")
    return FAILED if failed else OK


if __name__ == "__main__":
    sys.exit(main())
