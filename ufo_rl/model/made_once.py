"""Folders of models that are made from something else once, by a process apart, and kept under the cache of Hugging Face."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from huggingface_hub import constants

from ufo_rl.errors import UserError

CURE = "set HF_HOME to a folder that can be written and has room for all of the model"


@dataclass(frozen=True)
class MadeOnce:
    """kind: of what it is made, a folder of the cache. verb: how it is made, for messages. module: whose `main` makes it, given
    words and the folder, which it writes as `partial` and renames. instead: another way out."""

    kind: str
    verb: str
    module: str
    instead: str

    def _path(self, name: str) -> Path:
        return Path(constants.HF_HOME) / "ufo-rl" / self.kind / name

    def is_there(self, name: str) -> bool:
        return self._path(name).is_dir()

    def folder(self, name: str, words: Sequence[str], called: str) -> Path:
        """The folder of that name, made where it is not there yet. UserError says what keeps it from being made."""
        folder = self._path(name)
        if folder.is_dir():
            return folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f"{name}.lock")):
                if not folder.is_dir():
                    sys.stderr.write(f"ufo-rl: {called}: {self.verb} to {folder} (once) ...\n")
                    self._make(words, folder, called)
        except OSError as error:
            raise UserError(f"{called} cannot be {self.verb} to {folder} ({error.strerror}); {CURE}") from error
        return folder

    def _make(self, words: Sequence[str], folder: Path, called: str) -> None:
        command = [sys.executable, "-P", "-c", f"from {self.module} import main; main()", *words, str(folder)]
        package = str(Path(__file__).resolve().parents[2])
        search = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH", "")]), package])
        try:
            done = subprocess.run(
                command, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False
            )
        finally:  # also of an interrupt: it is as large as the model
            shutil.rmtree(partial(folder), ignore_errors=True)
        if done.returncode < 0:
            raise UserError(
                f"{called} cannot be {self.verb}: signal {-done.returncode} ended it, as where memory runs out; {CURE}"
            )
        if done.returncode:
            lines = (line for line in reversed(done.stderr.splitlines()) if line.strip() and "%|" not in line)
            raise UserError(f"{called} cannot be {self.verb}: {next(lines, 'unknown')}; {self.instead}, or {CURE}")


def partial(folder: Path) -> Path:
    """Where a folder is written before it has its name: a half-written one does not exist."""
    return folder.with_name(f"{folder.name}.partial")
