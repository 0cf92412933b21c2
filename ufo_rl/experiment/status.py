"""What became of a folder: status.json, and the claim that one process holds on it."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import LOCK, locked, read_json, write_json, write_text

INTERRUPTED = "interrupted"  # by Ctrl-C, SIGTERM, or the end of the terminal


class Status:
    """status.json of a folder that a run or an evaluation owns."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "status.json"
        self.stage: str | None = None  # the last that began in this attempt

    def enter(self, stage: str) -> None:
        self.stage = stage
        self.write("running")

    def is_completed(self, inputs: str | None = None) -> bool:
        """Whether the run ended well, and, if `inputs` is given, with the data and weights that are there now."""
        status = self._read()
        is_whole = status.get("state") == "completed" and (self.path.parent / "metrics.json").is_file()
        return is_whole and inputs in (None, status.get("inputs"))

    def error(self) -> str:
        """Why the run is not completed, in a few words."""
        status = self._read()
        if status.get("state") == INTERRUPTED:
            return INTERRUPTED + (f" in stage {status['stage']}" if status.get("stage") else "")
        stopped = f"stopped in stage {status['stage']}" if status.get("stage") else "never started"
        return status.get("error") or stopped

    def updated(self) -> str:
        """What it says of its last change, "" where there was none: another text says that something has happened."""
        return str(self._read().get("updated") or "")

    def state(self) -> tuple[str, str]:
        """What was last written of the run, and the stage that it was in."""
        status = self._read()
        return str(status.get("state") or ""), str(status.get("stage") or "")

    def is_planned(self) -> bool:
        """Whether nothing was ever begun."""
        return self._read().get("state") == "planned"

    def plan(self) -> None:
        """Write down that the job is to be done, unless something of it is known."""
        if not self.path.exists():
            self.write("planned")

    def _read(self) -> dict[str, Any]:
        """What the file says; nothing where it is missing or broken: the run then counts as not done."""
        try:
            status = read_json(self.path) if self.path.is_file() else {}
        except UserError:
            status = {}
        return status if isinstance(status, dict) else {}

    def fail(self, error: str) -> None:
        """Write down that the run failed; on a full disk the message in the terminal has to do."""
        with suppress(UserError, OSError):
            self.write("failed", error=error)

    def write(self, state: str, error: str | None = None, inputs: str | None = None) -> None:
        updated = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_json(
            self.path,
            {
                **{"state": state, "stage": self.stage, "error": error, "updated": updated, "inputs": inputs},
                **{"host": socket.gethostname(), "pid": os.getpid()},
            },
        )


@contextmanager
def claimed(folder: Path, what: str) -> Iterator[Status]:
    """Hold the folder, so that nobody else works in it; whatever ends the block badly is written down, and raised: as failed,
    or as interrupted.

    status.json gets the first line of the reason; error.txt the traceback, unless it was the user's mistake.
    """
    state = Status(folder)
    with locked(folder / LOCK, f"the {what} {folder.name}"):
        try:
            yield state
        except KeyboardInterrupt:
            with suppress(UserError, OSError):
                state.write(INTERRUPTED)
            raise
        except UserError as error:
            state.fail(error.problems[0])
            raise
        except Exception as error:
            state.fail(str(error).splitlines()[0] if str(error) else repr(error))
            with suppress(UserError, OSError):
                write_text(folder / "error.txt", traceback.format_exc())
            raise
