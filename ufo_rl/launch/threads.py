"""How many threads a rank computes with, and how they wait: what the user exports stands, else the cores that are ours."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Launch

# Of each process. Where torch is built with MKL it takes MKL's count first, as here.
EXPORTED = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")
# What a scheduler leaves to this command on this host; without a limit of the system it is but a word.
ALLOTTED = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
# How threads wait for each other. They spin by default (gcc's for 300,000 rounds), which takes the cores from whoever has
# work for them: beside another program the lab's scoring took 7.7 times as long, with 10,000 rounds 3.3 times. Threads that
# sleep at once cost small products half of their speed on a quiet machine (bench/README.md, threads). The rounds are gcc's
# library's own variable, which it takes before the policy; others know the policy alone.
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
WAITS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300"}


def variables(launch: Launch, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the ranks of a host get besides `environment`, the user's."""
    count, source = num_threads(launch, environment)
    rayon = {} if _count(environment.get("RAYON_NUM_THREADS")) else {"RAYON_NUM_THREADS": str(count)}  # tokenizers
    own = {} if source in EXPORTED else {"OMP_NUM_THREADS": str(count)}
    if source == "MKL_NUM_THREADS" and not _count(environment.get("OMP_NUM_THREADS")):
        own = {"OMP_NUM_THREADS": str(count)}
    if source == "launch.threads_per_rank":
        own["MKL_NUM_THREADS"] = str(count)  # or one that the user exports would win
    policy = {} if any(environment.get(name) for name in WAITING) else WAITS
    return {**own, **rayon, **policy}


def record(launch: Launch, environment: Mapping[str, str]) -> dict[str, Any]:
    """What run.json says of it: the number, where it comes from, and how threads wait."""
    count, source = num_threads(launch, environment)
    told = {**environment, **variables(launch, environment)}
    waiting = {name: told[name] for name in WAITING if told.get(name)}
    return {"threads_per_rank": count, "threads_from": source, "waiting": waiting}


def num_threads(launch: Launch, environment: Mapping[str, str]) -> tuple[int, str]:
    """Threads of one rank, and what says so: launch.threads_per_rank, a variable that the user exports, else the share of
    this host's ranks in the cores that the run may use."""
    if launch.threads_per_rank:
        return launch.threads_per_rank, "launch.threads_per_rank"
    for name in EXPORTED:
        if count := _count(environment.get(name)):
            return count, name
    cores, source = usable_cores(environment)
    return max(1, cores * launch.num_nodes // launch.num_ranks), source


def usable_cores(environment: Mapping[str, str]) -> tuple[int, str]:
    """The fewest of: cores that this process may be put on, the quota of its control group, the scheduler's allotment."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [(allowed, "cores")]
    if quota := cgroup_quota():
        limits.append((max(1, math.ceil(quota)), "cgroup"))
    allotted = ((_count(environment.get(name)), name) for name in ALLOTTED)
    limits += [(count, name) for count, name in allotted if count][:1]
    return min(limits, key=lambda limit: limit[0])


def cgroup_quota(process: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores' worth of CPU time that the control groups of this process grant, the least of all levels (containers, systemd);
    None without a limit. Linux, cgroup v1 and v2: Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst."""
    found: list[float] = []
    for line in process.read_text().splitlines() if process.is_file() else []:
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = mounted / "cpu" if controllers else mounted
        folder = root / place.lstrip("/")
        for level in (folder, *folder.parents):
            if level.is_relative_to(root):
                found += _quota(level)
    return min(found, default=None)


def _quota(folder: Path) -> list[float]:
    """Of one control group: `cpu.max` of v2, `max 100000` or `50000 100000`; two files of v1, -1 for no limit."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return [int(quota) / int(period)] if quota.isdigit() and int(period) > 0 else []
    except (OSError, ValueError):
        return []


def _count(value: str | None) -> int | None:
    """A number of threads as OpenMP reads it: `4`, or `4,2` for nested levels; None for what it would pass over."""
    first = (value or "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) >= 1 else None
