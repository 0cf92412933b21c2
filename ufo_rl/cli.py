"""The command line: `ufo-rl OVERRIDES...` runs experiments, a first word without `=` is a command, unless it
begins with `-` (a flag), `+` or `~` (an override).

Nothing but the standard library is imported before signals, module search and streams are in order.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  # `signal` itself imports a dozen modules
import os
import sys


def _is_here(path: str) -> bool:
    try:
        return os.path.samefile(path or os.curdir, os.curdir)
    except OSError:
        return False


if __name__ == "__main__" or os.path.basename(sys.argv[0]) == "ufo-rl":
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # Ctrl-C ends the next imports without a word
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    # Files of the folder of the start that are named like a package (datasets.py, random.py) shadow none: `python -m` and
    # PYTHONPATH=. put that folder first, where the console script has it not at all.
    sys.path.sort(key=_is_here)

import atexit
import gc
import io
import signal
from typing import Any

OK, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130
INTERRUPTS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
AGAIN_S = 0.05
TOLD = "ufo-rl: interrupted; the same command goes on from what is finished\n"


def entry() -> None:
    """Entry of the console script."""
    _on_interrupts(_leave)
    ended: list[int] = []
    # Registered first, it runs last. Python ends by SIGINT itself where an interrupt passed an exec, whatever the status.
    atexit.register(lambda: os._exit(INTERRUPTED) if INTERRUPTED in ended else None)
    sys.stdout, sys.stderr = _enduring(sys.stdout, 1), _enduring(sys.stderr, 2)
    gc.set_threshold(50_000)  # imports and composition make objects that live on: no need to look for garbage so often
    ended.append(main())
    _on_interrupts(_leave)  # the interpreter's own end is no place for exceptions
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    sys.stdout.flush()
    sys.exit(ended[0])


def main() -> int:
    """Run sys.argv; returns the exit status."""
    try:
        return _main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write(TOLD)
        return INTERRUPTED


def _main(arguments: list[str]) -> int:
    from ufo_rl.errors import StageFailed, UserError
    from ufo_rl.files.hub_access import quiet_requests

    quiet_requests()
    if "--version" in arguments:
        from importlib.metadata import version

        sys.stdout.write(f"ufo-rl {version('ufo-rl')}\n")
        return OK
    try:
        if not os.path.isdir(os.curdir):
            raise UserError("the folder that this was started in is gone; change to one that is there")
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


def _on_interrupts(handler: Any) -> None:
    """Ctrl-C, SIGTERM and the end of the terminal are one thing; what a starter has ignored (nohup, &) stays ignored."""
    for number in INTERRUPTS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, frame: Any) -> None:
    """Nothing has begun, or all is done: there is nothing to clean up."""
    os.write(2, TOLD.encode())
    os._exit(INTERRUPTED)


def _begin() -> None:
    """From here on there is something to clean up. Not before: an import that an exception interrupts may end in a crash."""
    _on_interrupts(_interrupt)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _again


def _again(unraisable: Any) -> None:
    """What is raised in a destructor or a callback Python prints and forgets: an interrupt comes back a moment later."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt(number: int, frame: Any) -> None:
    """Ranks are stopped, what is finished stays."""
    raise KeyboardInterrupt


class _Pipe(io.FileIO):
    """A stream whose reader may leave (`ufo-rl ... | head`): what is left of a run is done all the same."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)


def _enduring(stream: Any, number: int) -> io.TextIOWrapper:
    """A standard stream that takes every character, whatever its encoding has, and outlives its reader."""
    try:
        pipe = _Pipe(number, "w", closefd=False)
    except OSError:  # started without it
        return open(os.devnull, "w", encoding="utf-8")
    is_whole = bool(stream and stream.write_through)
    return io.TextIOWrapper(
        io.BufferedWriter(pipe),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=number == 2 or pipe.isatty(),
        write_through=is_whole,
    )


def command(name: str, arguments: list[str]) -> int:
    """A command that is no experiment; -h anywhere shows how it is used."""
    from ufo_rl.commands import commands
    from ufo_rl.errors import UserError, nearest

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
    _begin()
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

    return run.main(sys.argv[1:], _begin)


if __name__ == "__main__":
    entry()
