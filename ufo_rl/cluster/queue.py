"""What SLURM says of jobs: the queue, and, of those that have left it, its accounting where the cluster keeps one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

# States of a job that will run, runs or is being put back; all others are ends (man squeue, JOB STATE CODES).
RUNNING = frozenset(("RUNNING", "SUSPENDED", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"))
WAITING = frozenset(
    ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
)
GONE = "gone"  # from the queue, and no accounting says how it ended
COLUMNS = "%i|%j|%T|%r"
ASKING_S = 60.0


@dataclass(frozen=True)
class Queued:
    """A job in the queue, or one that left it a moment ago. `job`: its id, 12 or, of an array, 12_3; `reason`: why it waits."""

    job: str
    name: str
    state: str
    reason: str

    @property
    def is_live(self) -> bool:
        return self.state in RUNNING | WAITING

    @property
    def is_waiting(self) -> bool:
        return self.state in WAITING


def queue() -> dict[str, Queued] | None:
    """The user's jobs by their ids; None where SLURM does not answer."""
    told = _ask(["squeue", "--me", "--array", "--noheader", "--states=all", f"--format={COLUMNS}"])
    return None if told is None else parsed(told)


def parsed(told: str) -> dict[str, Queued]:
    """The lines of squeue. A name may hold a |, a reason too: of those that have several the first is meant."""
    found = [line.strip().split("|") for line in told.splitlines() if line.count("|") >= 3]
    return {one[0]: Queued(one[0], "|".join(one[1:-2]), one[-2], one[-1]) for one in found}


def ends(jobs: Collection[str]) -> Mapping[str, str]:
    """How jobs that have left the queue ended, as far as the accounting knows: OUT_OF_MEMORY, TIMEOUT, COMPLETED ..."""
    told = _ask(["sacct", "-X", "--noheader", "--parsable2", "--format=JobID,State", f"--jobs={','.join(jobs)}"])
    pairs = (line.split("|") for line in (told or "").splitlines() if line.count("|") == 1)
    return {job: state.split()[0] for job, state in pairs if state.strip() and job in jobs}  # CANCELLED by 1000


def cancel_waiting(jobs: Sequence[str]) -> None:
    """Take jobs that have not begun out of the queue."""
    if jobs:
        _ask(["scancel", "--state=PENDING", *jobs])


def _ask(command: Sequence[str]) -> str | None:
    """The output of one of SLURM's programs; None where it is not there or failed."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASKING_S)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
