"""The jobs of a command as jobs of SLURM: what is done is left, what lives is adopted, what is missing is submitted, and all
are waited for. What became of a run stands in its folder, whoever waits for it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ufo_rl.config.compose import Job
from ufo_rl.config.load import load
from ufo_rl.config.scheduler import asks_slurm
from ufo_rl.errors import Problems, UserError
from ufo_rl.experiment.life import inputs_key
from ufo_rl.experiment.planned import announce
from ufo_rl.experiment.prepare import prepare
from ufo_rl.experiment.status import Status
from ufo_rl.files.atomic import locked


def run_jobs(jobs: Sequence[Job], words: Sequence[str]) -> Mapping[Path, str]:
    """Submit and wait. Returns, by the folders of those that did not complete, what SLURM says of them. UserError where they
    cannot be submitted; KeyboardInterrupt leaves them in the queue."""
    check(jobs, words)
    from ufo_rl.cluster.queue import queue
    from ufo_rl.cluster.submit import Submission, submit
    from ufo_rl.cluster.wait import say, wait

    outputs = Path(os.path.expanduser(jobs[0].plain["paths"]["outputs"]))
    with locked(outputs / ".slurm.lock", "the submission of jobs"):
        queued = queue()
        if queued is None:
            raise UserError(
                "SLURM does not answer (squeue --me): what is in the queue cannot be known, so nothing was submitted"
            )
        announce(jobs, words)
        runs, before = dict[Path, Submission](), 0
        for job in jobs:
            config, folder = load(job.plain), job.folder.absolute()
            status = Status(folder)
            if status.is_completed() and not config.force and status.is_completed(inputs_key(config, prepare(config))):
                say(f"{folder.name}: done before; force=true runs it again")
                before += 1
            else:
                runs[folder] = Submission(job, folder, config.launch, config.name)
        submitted = submit(list(runs.values()), queued)
    first = load(jobs[0].plain)
    assert first.launch.slurm is not None
    return wait(submitted, queued, before, first.launch.slurm.poll_s, first.fail_fast)


def check(jobs: Sequence[Job], words: Sequence[str]) -> None:
    """UserError where this machine or this command line cannot submit."""
    problems = Problems()
    if importlib.util.find_spec("submitit") is None:
        problems.add("launch=slurm: submitit is not installed; pip install 'ufo-rl[slurm]'")
    if missing := [program for program in ("sbatch", "squeue", "srun") if shutil.which(program) is None]:
        problems.add(
            f"launch=slurm: no {', '.join(missing)} on this machine; start the command on a login node of the cluster"
        )
    if any(job.is_sample for job in jobs):
        problems.add(
            "launch=slurm: another package's sweeper makes its jobs as it goes, and these are submitted together; take "
            "hydra/launcher=submitit_slurm with it instead"
        )
    if chosen := [word for word in words if word.startswith("hydra/launcher=")]:
        problems.add(f"launch=slurm is a launcher itself; leave out {chosen[0]}")
    if not all(asks_slurm(job.plain) for job in jobs):
        problems.add("launch=slurm for some jobs only; give all of them the same launch")
    problems.raise_any()
