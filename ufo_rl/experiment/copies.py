"""The same command started several times by one srun, with one host in its configuration: one of them leads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import locked
from ufo_rl.files.keys import digest


def step_of(environment: Mapping[str, str]) -> str:
    """What names the srun that started this process as one of several tasks; "" where it is alone, or no srun's."""
    job, step, tasks = (environment.get(f"SLURM_{name}", "").strip() for name in ("JOB_ID", "STEP_ID", "STEP_NUM_TASKS"))
    is_one_of_several = re.fullmatch(r"[1-9]\d*", tasks) and int(tasks) > 1
    return f"{job}.{step}" if job.isdecimal() and step.isdecimal() and is_one_of_several else ""


@contextmanager
def leading(outputs: Path, words: Sequence[str], environment: Mapping[str, str]) -> Iterator[bool]:
    """Whether this process runs the command. Tasks of an srun may have different words (a seed each): those that have the same
    are copies, and the first of them to come leads. `outputs` is a folder that all see."""
    step = step_of(environment)
    if not step:
        yield True
        return
    path = outputs / f".srun-{step}-{digest([*words], 8)}.lock"
    with suppress(UserError), locked(path, "", waits=False):
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)
        return
    yield False
