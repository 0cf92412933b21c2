"""The folders that Hydra really made for the jobs of a command: a launcher may run them in processes of its own, and a folder
may be named after the moment of its making."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from ufo_rl.files.atomic import write_text
from ufo_rl.launch.start import MADE as VARIABLE  # where jobs in other processes leave their folders

FAILED = "failed"  # a file beside them


class Made:
    """Folders by the number of their job, 0 for a single run; those of this process, and what others left in `place`."""

    def __init__(self, place: Path) -> None:
        self.place, self.starter, self.own = place, os.getpid(), dict[int, Path]()

    def folders(self) -> dict[int, Path]:
        left = {int(path.name): Path(path.read_text(encoding="utf-8")) for path in self.place.glob("[0-9]*")}
        return dict(sorted({**left, **self.own}.items()))


_here: list[Made] = []  # one at most: of the command that this process, or the one that it was forked from, runs


@contextmanager
def collected(outputs: Path) -> Iterator[Made]:
    """What the jobs that start in the block make. `outputs` is a folder that all of their machines see."""
    made = Made(outputs.absolute() / f".made-{uuid.uuid4().hex[:8]}")
    _here.append(made)
    os.environ[VARIABLE] = str(made.place)
    try:
        yield made
    finally:
        _here.remove(made)
        del os.environ[VARIABLE]
        shutil.rmtree(made.place, ignore_errors=True)


def tell_failed() -> None:
    """The other jobs of the command hear that one has failed."""
    if VARIABLE in os.environ:
        write_text(Path(os.environ[VARIABLE]) / FAILED, "")


def has_failed() -> bool:
    """Whether a job of the command has failed."""
    return VARIABLE in os.environ and (Path(os.environ[VARIABLE]) / FAILED).is_file()


def tell_folder(folder: Path) -> None:
    """The command that started the job of this process hears which folder is its own."""
    hydra = HydraConfig.get()
    number = 0 if OmegaConf.is_missing(hydra.job, "num") else int(hydra.job.num)  # of a single run it is missing
    if _here and _here[0].starter == os.getpid():
        _here[0].own[number] = folder
    elif VARIABLE in os.environ:
        write_text(Path(os.environ[VARIABLE]) / str(number), str(folder))
