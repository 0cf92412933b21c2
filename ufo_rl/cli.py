"""The command line: `ufo-rl OVERRIDES...` runs experiments, a first word without `=` is a command, unless it
begins with `-` (a flag), `+` or `~` (an override)."""

from __future__ import annotations

import gc
import signal
import sys
from importlib.metadata import version
from typing import Any

from ufo_rl.commands import commands
from ufo_rl.errors import StageFailed, UserError, nearest
from ufo_rl.files.hub_access import quiet_requests

OK, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def entry() -> None:
    """Entry of the console script."""
    gc.set_threshold(50_000)  # imports and composition make objects that live on: no need to look for garbage so often
    sys.exit(main())


def main() -> int:
    """Run sys.argv; returns the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    quiet_requests()
    arguments = sys.argv[1:]
    if "--version" in arguments:
        sys.stdout.write(f"ufo-rl {version('ufo-rl')}\n")
        return OK
    try:
        if arguments and "=" not in arguments[0] and not arguments[0].startswith(("-", "+", "~")):
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
    if name == "help":
        sys.argv[1:] = ["--help"]
        return experiments()
    known = commands()
    if name not in known:
        hint = f"(commands: {', '.join(one for one in known if not known[one].problem)}; experiments: key=value)"
        raise UserError(f"{name}: no such command{nearest(name, known)} {hint}")
    chosen = known[name]
    if any(word in ("-h", "--help") for word in arguments):
        sys.stdout.write(f"{chosen.help()}\n")
        return OK
    try:
        return chosen.status(arguments)
    except KeyboardInterrupt:
        if chosen.goes_on:
            raise
        sys.stderr.write(f"ufo-rl: {name} interrupted; nothing was written\n")
        return INTERRUPTED


def experiments() -> int:
    """The words are overrides: one experiment, or a sweep."""
    from ufo_rl import run

    return run.main(sys.argv[1:])


if __name__ == "__main__":
    entry()
