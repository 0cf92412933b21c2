"""What a job does: the command of one run, in its folder, told to save itself before the job is taken away.

submitit pickles a `Task`, calls it on each host of the job, and at SIGUSR2 asks it for a `checkpoint` and requeues the job.
SIGTERM (scancel, scontrol requeue, a preemption) reaches the run itself, as SLURM signals all processes of a job.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from submitit.core.utils import DelayedSubmission, UncompletedJobError

from ufo_rl.config.scheduler import OWN_JOB
from ufo_rl.experiment.planned import recorded
from ufo_rl.experiment.status import Status

POLL_S = 0.2
OVER_S = 5.0  # beyond launch.grace_s, for the run to write down how it ended
ANEW = "force=false"  # a requeued run goes on from what the attempt before has done


@dataclass
class Task:
    """`words`: the run's own command line without the program; `attempts`: how many the run had when it was submitted;
    `save_s`: seconds that a run has to end once it is asked to. Called, it returns the run's exit status, and raises nothing
    that the run does."""

    words: list[str]
    folder: str
    attempts: int
    save_s: float
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self) -> int:
        anew = [ANEW] if recorded(Path(self.folder) / "run.json").get("attempt", 0) > self.attempts else []
        self.child = subprocess.Popen(
            [sys.executable, "-m", "ufo_rl.cli", *self.words, *anew],
            env={**os.environ, OWN_JOB: os.environ["SLURM_JOB_ID"], "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            # SIGUSR2 is sent to every process of the job, and would end those that do not know it
            preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN),
        )
        try:
            while (status := self.child.poll()) is None:
                time.sleep(POLL_S)
            return status
        except UncompletedJobError:  # submitit's signal handler, where it may not requeue once more
            Status(Path(self.folder)).fail(
                "the job came to its time limit more often than launch.slurm.max_num_timeout allows; the same command goes on "
                "from its checkpoint"
            )
            return 1
        finally:
            self.save()

    def checkpoint(self) -> DelayedSubmission:
        """End the run, which saves itself, and return what the requeued job does."""
        self.save()
        return DelayedSubmission(Task(self.words, self.folder, self.attempts, self.save_s))

    def save(self) -> None:
        """Ask the run to end and wait for it, `save_s` seconds at most."""
        if self.child is None or _has_ended(self.child.pid):
            return
        self.child.terminate()
        deadline = time.monotonic() + self.save_s
        while not _has_ended(self.child.pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if not _has_ended(self.child.pid):
            self.child.kill()


def _has_ended(pid: int) -> bool:
    """Asked of the system, as `poll` of a process that a signal handler has interrupted in `poll` never knows."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True
