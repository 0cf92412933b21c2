"""Runs put into SLURM's queue by submitit, each once: what lives there already is adopted."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitit import SlurmExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from ufo_rl.cluster.queue import Queued
from ufo_rl.cluster.slurm_file import FILE, Submitted, last
from ufo_rl.cluster.task import Task
from ufo_rl.config.compose import Job
from ufo_rl.config.schema import Launch, Slurm
from ufo_rl.errors import UserError, in_a_line
from ufo_rl.experiment.planned import recorded
from ufo_rl.experiment.status import Status

LOGS = ".slurm"  # beside the run folders: what submitit writes
KEPT = ("SLURM_CONF",)


@dataclass(frozen=True)
class Submission:
    """A run to be: its job as the command line has it, its folder, and what it asks of SLURM."""

    job: Job
    folder: Path
    launch: Launch
    name: str

    @property
    def slurm(self) -> Slurm:
        assert self.launch.slurm is not None
        return self.launch.slurm

    def words(self) -> list[str]:
        """Its own command line, as a single run in this folder."""
        place = str(self.folder).replace("\\", "\\\\").replace("'", "\\'")
        return [*self.job.flags, *self.job.overrides, "hydra.mode=RUN", f"hydra.run.dir='{place}'"]


def submit(runs: Sequence[Submission], queued: Mapping[str, Queued]) -> dict[Path, Submitted]:
    """The jobs of the runs by their folders; those that are in the queue are not submitted again. One array for all that ask
    the same of SLURM. UserError where sbatch refuses."""
    jobs: dict[Path, Submitted] = {}
    arrays: dict[str, list[Submission]] = {}
    for run in runs:
        known = last(run.folder)
        found = known.found(queued) if known else None
        if known and found and found.is_live:
            adopted = known if known.job else known.of_job(found.job.partition("_")[0], run.folder.parent / LOGS)
            adopted.write(run.folder)
            jobs[run.folder] = adopted
        else:
            arrays.setdefault(f"{run.folder.parent} {run.slurm.max_num_timeout} {parameters(run.launch)}", []).append(
                run
            )
    for array in arrays.values():
        jobs |= _submitted(array)
    return jobs


def _submitted(runs: Sequence[Submission]) -> dict[Path, Submitted]:
    first, logs = runs[0], runs[0].folder.parent / LOGS
    name = f"ufo-rl-{first.name}-{uuid.uuid4().hex[:8]}"
    meant = {
        run.folder: Submitted(name, index if len(runs) > 1 else None, Status(run.folder).updated())
        for index, run in enumerate(runs)
    }
    for folder, one in meant.items():
        one.write(folder)
    tasks = [
        Task(
            run.words(), str(run.folder), recorded(run.folder / "run.json").get("attempt", 0), run.slurm.signal_delay_s
        )
        for run in runs
    ]
    with _outside():
        try:
            executor = SlurmExecutor(logs, max_num_timeout=first.slurm.max_num_timeout)
            executor.update_parameters(job_name=name, **parameters(first.launch))
            array = executor.submit_array(tasks)[0].job_id.partition("_")[0]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            for folder in meant:
                (folder / FILE).unlink(missing_ok=True)
            raise UserError(f"sbatch refused the jobs: {in_a_line(error)}; see the keys of launch.slurm") from error
    found = {folder: one.of_job(array, logs) for folder, one in meant.items()}
    for folder, one in found.items():
        one.write(folder)
    return found


def parameters(launch: Launch) -> dict[str, Any]:
    """What submitit asks of sbatch for a run: one task a host, which starts the ranks of that host."""
    slurm = launch.slurm
    assert slurm is not None
    gpus = launch.num_ranks // launch.num_nodes if launch.device != "cpu" else 0
    asked = {
        **{key: getattr(slurm, key) for key in ("partition", "account", "qos", "constraint", "cpus_per_task")},
        **{"nodes": launch.num_nodes, "ntasks_per_node": 1, "time": slurm.timeout_min},
        "mem": None if slurm.mem_gb is None else f"{round(1024 * slurm.mem_gb)}MB",
        "gpus_per_node": (gpus if slurm.gpus_per_node is None else slurm.gpus_per_node) or None,
        "array_parallelism": slurm.array_parallelism,
        "signal_delay_s": slurm.signal_delay_s,
        "setup": slurm.setup or None,
        "stderr_to_stdout": True,
        # clusters may have it off, and a step has not the cores of its job by itself (SLURM 22.05)
        "additional_parameters": {"requeue": True, **slurm.additional_parameters},
        "srun_args": [f"--cpus-per-task={slurm.cpus_per_task}"],
    }
    return {key: value for key, value in asked.items() if value is not None}


@contextmanager
def _outside() -> Iterator[None]:
    """Without the variables of a job that this process may itself be in: the new ones would inherit its limits."""
    own = {name: value for name, value in os.environ.items() if name.startswith("SLURM_") and name not in KEPT}
    for name in own:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(own)
