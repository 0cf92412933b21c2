"""One command that an srun has started several times, with one host in its configuration: one copy leads, the others say so."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ufo_rl.files.keys import digest


def step_of(environment: Mapping[str, str]) -> str:
    """What names the srun that started this process as one of several tasks; "" where it is alone, or no srun's."""
    names = ("JOB_ID", "STEP_ID", "STEP_NUM_TASKS")
    job, step, tasks = (environment.get(f"SLURM_{name}", "").strip() for name in names)
    are_numbers = all(re.fullmatch(r"\d+", one) for one in (job, step, tasks))
    return f"{job}.{step}" if are_numbers and int(tasks) > 1 else ""


@contextmanager
def leading(outputs: Path, words: Sequence[str], environment: Mapping[str, str], num_nodes: int) -> Iterator[bool]:
    """Whether this process runs the command. Tasks of an srun may have words of their own (a seed each); those that have the
    same are copies, and the first to come leads. `outputs`: a folder that all see."""
    step = step_of(environment)
    if not step or num_nodes > 1:
        yield True
        return
    outputs.mkdir(parents=True, exist_ok=True)
    lock = FileLock(outputs / f".srun-{step}-{digest([*words], 8)}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tasks, task = (environment.get(f"SLURM_{name}", "") for name in ("STEP_NUM_TASKS", "PROCID"))
        sys.stderr.write(
            f"ufo-rl: srun started this command {tasks} times and launch.num_nodes=1 takes one: task {task} has nothing to do; "
            f"for all hosts: launch.num_nodes={tasks}\n"
        )
        yield False
        return
    try:
        yield True
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
