"""A real SLURM of one node with two cores, on this machine, and a sweep to give it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ufo
from tests.planted_part import PART
from ufo_rl.files.journal import parse

SCRIPT = Path(__file__).parent / "slurm_here.sh"
STEPS = 12
# save_steps=null: the only checkpoint before the last step is the one that a signal asks for
SWEEP = (
    *Ufo.SMALL,
    f"train.max_steps={STEPS}",
    "train.save_steps=null",
    "selector=random",
    "ratio=20pct",
    "plugins=[mylab]",
    "+reward.parts.planted._target_=mylab.planted.Planted",
    "+reward.parts.planted.seed=${seed}",
    "+reward.parts.planted.weight=0.5",
    "launch.device=cpu",
)
ON_SLURM = ("launch=slurm", "launch.slurm.cpus_per_task=1", "launch.slurm.poll_s=1")


@dataclass(frozen=True)
class Slurm:
    """Its programs, called as a user would."""

    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=True
        ).stdout

    def states(self) -> dict[str, str]:
        """Of all jobs that SLURM remembers, by their ids."""
        told = self.ask("squeue", "--me", "-r", "-h", "-t", "all", "-o", "%i %T")
        return dict(line.split() for line in told.splitlines())

    def signal(self, job: str, name: str) -> None:
        """To all processes of a job's step. The step is named: for a whole job of an array scancel is told to try again, does
        so for a minute, and so signals the next attempt too (SLURM 22.05)."""
        told = self.ask("squeue", "--me", "-r", "-h", "-o", "%i %A")
        number = dict(line.split() for line in told.splitlines())[job]
        self.ask("scancel", f"--signal={name}", f"{number}.0")

    def hurry(self, ended: threading.Event) -> None:
        """Let jobs that were requeued start at once: SLURM keeps them for two minutes, as an operator need not."""
        while not ended.wait(1.0):
            told = self.ask("squeue", "--me", "-r", "-h", "-t", "pending", "-o", "%i %r")
            for job, reason in (line.split(maxsplit=1) for line in told.splitlines()):
                if reason == "BeginTime":
                    subprocess.run(
                        ["scontrol", "update", f"jobid={job}", "StartTime=now"],
                        env={**os.environ, **self.environment},
                        check=False,
                        capture_output=True,
                    )


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Skips where SLURM cannot be installed: it takes root on Debian or Ubuntu."""
    if subprocess.run(["bash", str(SCRIPT), "install"], check=False).returncode != 0:
        pytest.skip("SLURM is not here and cannot be installed: that takes root on Debian or Ubuntu")
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run(["bash", str(SCRIPT), "start", str(folder)], check=True)
    slurm, ended = Slurm({"SLURM_CONF": str(folder / "slurm.conf")}), threading.Event()
    hurrying = threading.Thread(target=slurm.hurry, args=(ended,))
    hurrying.start()
    try:
        yield slurm
    finally:
        ended.set()
        hurrying.join()
        subprocess.run(["bash", str(SCRIPT), "stop", str(folder)], check=False)


class Lab(Ufo):
    """A folder with the planted reward, from which jobs are submitted."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        super().__init__(folder)
        self.slurm = slurm
        self.environment |= slurm.environment
        (folder / "mylab").mkdir()
        (folder / "mylab/__init__.py").write_text("")
        (folder / "mylab/planted.py").write_text(PART)
        self.plant()

    def plant(self, failing: str = "", seconds: float = 0.0) -> None:
        (self.folder / "failing.txt").write_text(failing)
        (self.folder / "seconds.txt").write_text(str(seconds))

    def run_folder(self, seed: int, below: str = "") -> Path | None:
        for path in self.folder.glob(f"outputs/*/{below}*/*-s{seed}-*/config.yaml"):
            return path.parent
        return None

    def read(self, seed: int, name: str, below: str = "") -> Any:
        """A JSON file of the run with this seed; {} while it is not there."""
        folder = self.run_folder(seed, below)
        path = folder / name if folder else None
        return json.loads(path.read_text()) if path and path.is_file() else {}

    def steps(self, seed: int, below: str = "") -> list[int]:
        """The steps of training that the run has written down, in the order in which they were made."""
        folder = self.run_folder(seed, below)
        if folder is None or not (folder / "metrics.jsonl").is_file():
            return []
        lines = parse((folder / "metrics.jsonl").read_bytes())
        return [one["step"] for one in lines if one["stage"] == "train" and one["event"] == "metrics"]

    def job(self, seed: int) -> str:
        return self.read(seed, "slurm.json").get("job", "")


class Told:
    """A command that runs, and the lines that it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.lines = process, list[str]()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def says(self, words: str) -> bool:
        return any(words in line for line in list(self.lines))

    def end(self) -> str:
        """All it printed, when it has ended."""
        self.process.wait()
        self.reader.join()
        return "".join(self.lines)


@pytest.fixture
def lab(tmp_path: Path, slurm: Slurm) -> Lab:
    return Lab(tmp_path, slurm)
