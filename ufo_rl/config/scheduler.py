"""What SLURM's variables say of this process. None of them is trusted to be there, or to mean a run of ours: a shell inside an
allocation has them too, some of them empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OWN_JOB = "UFO_RL_SLURM_JOB"  # environment variable: the id of the job that launch=slurm has submitted for this run
NO_COMMAND = (
    "launch=slurm submits experiments alone; leave it out, and start this command in an allocation, for example by srun"
)
PORTS = range(20_000, 30_000)  # below those that systems give to outgoing connections


def asks_slurm(plain: Mapping[str, Any]) -> bool:
    """Whether a plain configuration is to be run as a job."""
    launch = plain.get("launch")
    return isinstance(launch, Mapping) and launch.get("slurm") is not None


def is_own_job(environment: Mapping[str, str]) -> bool:
    """Whether this process is such a job: it runs the run, and submits none."""
    own = environment.get(OWN_JOB)
    return bool(own) and own == environment.get("SLURM_JOB_ID")


def this_host(num_nodes: Any, environment: Mapping[str, str]) -> Any:
    """Which host SLURM says this is, as it stands where that is no number; the only one of a run is its first."""
    said = environment.get("SLURM_NODEID", "0")
    return 0 if num_nodes == 1 else int(said) if said.strip().isdecimal() else said


def meeting_point(num_nodes: Any, environment: Mapping[str, str]) -> str | None:
    """host:port of the first host, where the step or the allocation has as many hosts as the run; else None. The port follows
    from the job's id, so that jobs that share a host do not meet each other."""
    job = environment.get("SLURM_JOB_ID", "").strip()
    for kind in ("STEP", "JOB"):
        hosts, count = (environment.get(f"SLURM_{kind}_{name}", "").strip() for name in ("NODELIST", "NUM_NODES"))
        if hosts and job.isdecimal() and num_nodes != 1 and count == str(num_nodes):
            return f"{first_host(hosts)}:{PORTS[int(job) % len(PORTS)]}"
    return None


def first_host(hosts: str) -> str:
    """Of a list as SLURM writes it: gpu[03-05,9],head -> gpu03; rack[1-2]n[0-7] -> rack1n0."""
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", hosts).split(",")[0]
