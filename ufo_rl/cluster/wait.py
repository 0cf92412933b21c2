"""Jobs of SLURM waited for until each has ended: a line when something changes, and one a minute."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ufo_rl.cluster.queue import GONE, Queued, cancel_waiting, ends, queue
from ufo_rl.cluster.slurm_file import Submitted
from ufo_rl.experiment.status import INTERRUPTED, Status

SAY_S = 60.0
PATIENCE_S = 60.0  # that a network file system has to show what a job wrote last
COMPLETED, CANCELLED = "COMPLETED", "CANCELLED"
AFTER = "the jobs go on in SLURM; the same command comes back to them; to end them: scancel {jobs}"


def say(text: str) -> None:
    """A line to stdout, as events of a run are told."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


@dataclass
class Waited:
    """A job that has not ended as far as is known: since when it is out of the queue (None while it is there), and whether this
    command has taken it out."""

    folder: Path
    submitted: Submitted
    queued: Queued | None = None
    out_since: float | None = None
    is_cancelled: bool = False

    @property
    def is_waiting(self) -> bool:
        return self.queued is not None and self.queued.is_waiting

    def stage(self) -> str:
        """Where a job is that does not wait."""
        if self.out_since is not None:
            return "ending"
        return (self.has_begun() and Status(self.folder).state()[1]) or "starting"

    def has_begun(self) -> bool:
        """Whether the job has written anything into status.json."""
        return Status(self.folder).updated() != self.submitted.before

    def has_written(self) -> bool:
        """Whether it has said there how the run ended."""
        return self.has_begun() and Status(self.folder).state()[0] in ("completed", "failed")


@dataclass
class Ended:
    """Jobs that have, and what SLURM says of those that did not complete, by their folders."""

    completed: int = 0
    failed: dict[Path, str] = field(default_factory=dict)


def wait(
    jobs: Mapping[Path, Submitted], adopted: Collection[str], before: int, poll_s: float, fail_fast: bool
) -> Mapping[Path, str]:
    """Return when all have ended: what SLURM says of those that did not complete. `adopted`: ids that were in the queue before;
    `before`: runs that were done. KeyboardInterrupt leaves the jobs alone, and says how to come back to them."""
    if not jobs:
        return {}
    left = [Waited(folder, one) for folder, one in jobs.items()]
    number = sum(one.job in adopted for one in jobs.values())
    say(f"SLURM: {len(jobs) - number} submitted, {number} adopted; their logs: {left[0].submitted.log}")
    ended, last_said, last_numbers = Ended(completed=before), time.monotonic(), [-1]
    try:
        while left:
            queued = queue()
            if queued is not None:
                left = [one for one in left if not _has_ended(one, queued, ended)]
            numbers = [sum(one.is_waiting for one in left), len(left), ended.completed]
            if numbers != last_numbers or time.monotonic() - last_said >= SAY_S:
                say(_counts(left, ended) + ("" if queued is not None else "; SLURM does not answer (squeue --me)"))
                last_numbers, last_said = numbers, time.monotonic()
            if fail_fast and ended.failed:
                _cancel([one for one in left if one.is_waiting and not one.has_begun() and not one.is_cancelled])
            if left:
                time.sleep(poll_s)
    except KeyboardInterrupt:
        say(AFTER.format(jobs=" ".join(sorted({one.submitted.job for one in left}))))
        raise
    return ended.failed


def _has_ended(one: Waited, queued: Mapping[str, Queued], ended: Ended) -> bool:
    """Whether the job has, which is then written down."""
    one.queued = queued.get(one.submitted.job)
    if one.queued is not None and one.queued.is_live:
        one.out_since = None
        return False
    if not one.has_written():
        one.out_since = one.out_since or time.monotonic()
        state = one.queued.state if one.queued else GONE
        is_late = time.monotonic() - one.out_since >= PATIENCE_S
        if state in (COMPLETED, GONE) and not is_late and not one.is_cancelled:
            return False
    job, unsaid = one.submitted.job, CANCELLED if one.is_cancelled else GONE
    state = one.queued.state if one.queued else ends([job]).get(job, unsaid)
    replace(one.submitted, end=state).write(one.folder)
    _note(one, state, ended)
    return True


def _note(one: Waited, state: str, ended: Ended) -> None:
    """What a job that ended came to; one that said nothing gets SLURM's word into its status.json."""
    status = Status(one.folder)
    if status.is_completed() and one.has_begun():  # else force=true, and what is there is of before
        ended.completed += 1
        return
    words, log = f"SLURM job {one.submitted.job}: {state}", f"its log: {one.submitted.log}"
    ended.failed[one.folder] = f" ({words}; {log})"
    is_silent = not one.has_written() and status.state()[0] not in (INTERRUPTED, "completed")
    if is_silent and (one.has_begun() or state not in (CANCELLED, GONE)):
        status.stage = status.state()[1] or None
        status.fail(words)
        ended.failed[one.folder] = f" ({log})"


def _cancel(waiting: list[Waited]) -> None:
    """Jobs of an array that never began leave no trace in the queue when they are cancelled: it is kept in mind."""
    cancel_waiting([one.submitted.job for one in waiting])
    for one in waiting:
        one.is_cancelled = True


def _counts(left: list[Waited], ended: Ended) -> str:
    """For example: SLURM: 1 waiting (Resources), 2 running (score, train), 4 done, 0 failed"""
    waiting = [one for one in left if one.is_waiting]
    running = [one for one in left if not one.is_waiting]
    why = Counter(one.queued.reason for one in waiting if one.queued)
    stages = Counter(one.stage() for one in running)
    return (
        f"SLURM: {len(waiting)} waiting{_listed(why)}, {len(running)} running{_listed(stages)}, {ended.completed} done, "
        f"{len(ended.failed)} failed"
    )


def _listed(counts: Counter[str]) -> str:
    texts = [f"{word} {count}" if count > 1 else word for word, count in sorted(counts.items())]
    return f" ({', '.join(texts)})" if texts else ""
