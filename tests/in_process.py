"""A command in the process of the tests: all commands of a worker share its imports and its fork server."""

from __future__ import annotations

import functools
import io
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from ufo_rl.cli import INTERRUPTS, main

SIGNALS = [*INTERRUPTS, signal.SIGALRM]


def command(folder: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit status, and what was printed."""
    output = io.StringIO()
    with _as_a_process(folder, environment), redirect_stdout(output), redirect_stderr(output):
        sys.argv = ["ufo-rl", *arguments]
        try:
            status = main()
        except SystemExit as ended:
            status = 0 if ended.code is None else ended.code if isinstance(ended.code, int) else 1
    return status, output.getvalue()


@contextmanager
def _as_a_process(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """What a process has for itself is as before in the end."""
    root, variables, here = logging.getLogger(), dict(os.environ), os.getcwd()
    handlers, level, arguments, path = root.handlers[:], root.level, sys.argv, sys.path[:]
    signals, hook, modules = {one: signal.getsignal(one) for one in SIGNALS}, sys.unraisablehook, {*sys.modules}
    root.handlers[:] = []  # a command makes its own where there are none
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv, sys.path[:], sys.unraisablehook = arguments, path, hook
        for number, handler in signals.items():
            signal.signal(number, handler)
        root.handlers[:], root.level = handlers, level
        for name in {*sys.modules} - modules:
            own = vars(sys.modules[name])  # transformers imports what is asked of its modules
            places = [own.get("__file__"), *(own.get("__path__") or ())]
            if any(str(place).startswith(f"{folder}{os.sep}") for place in places):
                del sys.modules[name]  # the user's own packages
        for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "ufo_rl"]:
            for kept in [*vars(module).values()]:
                if isinstance(kept, functools._lru_cache_wrapper):
                    kept.cache_clear()
