"""Fixtures that several tests share."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from tests import in_process
from tests.waiting import BACKSTOP_S

NOT_INHERITED = ("WANDB_", "UFO_RL_", "PYTEST_")
settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")  # its own limits are seconds on the wall clock
gc.set_threshold(50_000)  # with torch and its like in memory, looking for garbage takes long, and there is little


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    """A fork server serves one environment, and pytest's names the test: without it, tests of a process share a server."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the local dataset files, named by UFO_RL_DATA; without it the test is skipped."""
    folder = os.environ.get("UFO_RL_DATA")
    if not folder:
        pytest.skip("UFO_RL_DATA is not set: it names the folder of the local dataset files")
    return Path(folder)


@pytest.fixture
def ufo(tmp_path: Path) -> Ufo:
    """The command line in an empty folder, without W&B unless a test asks for it."""
    return Ufo(tmp_path)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """One run of the embedded lab for all tests that only read it, made by the first that asks."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root  # of all processes of pytest-xdist
    ufo = Ufo(root / "small_run")
    with FileLock(root / "small_run.lock"):
        ufo.folder.mkdir(exist_ok=True)
        if not list(ufo.folder.glob("outputs/runs/dev/*/metrics.json")):
            (ufo.folder / SmallRun.TOLD).write_text(ufo.run(*ufo.SMALL, *SmallRun.ARGUMENTS, OMP_NUM_THREADS="3"))
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    return SmallRun(ufo, folder)


@dataclass(frozen=True)
class SmallRun:
    """A run by `ufo` in `folder`. Nothing may be written there; copy `ufo.folder` to go on from it."""

    ARGUMENTS: ClassVar[tuple[str, ...]] = ("selector=ufo", "ratio=20pct")
    TOLD: ClassVar[str] = "told.txt"

    ufo: Ufo
    folder: Path

    @property
    def told(self) -> str:
        """What the command printed."""
        return (self.ufo.folder / self.TOLD).read_text()


class Ufo:
    """Runs `ufo-rl` as a user would: a process of its own, in a folder of its own."""

    SMALL = (
        "model=tiny",
        "eval=arithmetic",
        "dataset.num_prompts=96",
        "eval.arithmetic.dataset.num_prompts=24",
        "eval.arithmetic.size=24",
        "train.max_steps=2",
        "train.per_device_train_batch_size=16",
        "launch.threads_per_rank=1",
        "tracker=off",
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flags: tuple[str, ...] = ()  # of Python
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)}

    def from_this_checkout_alone(self) -> None:
        """No PYTHONPATH, so that packages of the user's are not found by it; where ours would not be found either, or not
        this checkout's, a PYTHONPATH that leads to the checkout alone."""
        checkout = Path(__file__).parents[1]
        self.environment.pop("PYTHONPATH", None)
        if self._package() != str(checkout / "ufo_rl/__init__.py"):
            self.environment["PYTHONPATH"] = str(checkout)
        assert self._package() == str(checkout / "ufo_rl/__init__.py")

    def _package(self) -> str:
        """The ufo_rl that a command would be, "" for none; -P as the folder it starts in does not count."""
        asked = [sys.executable, "-P", "-c", "import ufo_rl; print(ufo_rl.__file__)"]
        found = subprocess.run(
            asked, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        return found.stdout.strip()

    def start(
        self, *arguments: str, preexec: Callable[[], Any] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        def prepare() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell has it ignored
            if preexec is not None:
                preexec()

        return subprocess.Popen(
            [sys.executable, *self.flags, "-m", "ufo_rl.cli", *arguments],
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**self.environment, **environment},
            preexec_fn=prepare,
        )

    def run(
        self, *arguments: str, status: int = 0, preexec: Callable[[], Any] | None = None, **environment: str
    ) -> str:
        """The output of a command that must end with `status`, in this process where it needs none of its own."""
        has_tracker = any(word.startswith("tracker=") and word != "tracker=off" for word in arguments)
        if not self.flags and preexec is None and not has_tracker and not self._is_changed(environment):
            found, output = in_process.command(self.folder, arguments, {**self.environment, **environment})
            assert found == status, output
            return output
        process = self.start(*arguments, preexec=preexec, **environment)
        output, _ = process.communicate(timeout=3 * BACKSTOP_S)
        assert process.returncode == status, output
        return output

    def _is_changed(self, environment: Mapping[str, str]) -> bool:
        """Whether variables say other than this process was started with, but for those that are read anew."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        return {**self.environment, **environment, "UFO_RL_DATA": ""} != {**kept, "UFO_RL_DATA": ""}

    def experiment(self, *arguments: str, **environment: str) -> Path:
        """A small run of the embedded lab; returns its folder."""
        output = self.run(*self.SMALL, *arguments, **environment)
        return Path(re.findall(r"run (/\S+)", output)[-1])

    def metrics(self, folder: Path) -> dict[str, Any]:
        return json.loads((folder / "metrics.json").read_text())


def family(mark: str) -> list[int]:
    """Processes whose environment carries the mark: all descendants of the command."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            is_ours = folder.name.isdigit() and f"UFO_TEST={mark}".encode() in (folder / "environ").read_bytes()
            if is_ours and (folder / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
