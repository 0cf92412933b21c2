"""How many threads ranks compute with: what the user says or exports stands; else the cores that are his."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.launch.threads import cgroup_quota, num_threads, record, usable_cores, variables

(job,) = compose_jobs([])
LAUNCH = load(job.plain).launch
CORES = len(os.sched_getaffinity(0))
SPINS = {"OMP_WAIT_POLICY": "ACTIVE"}


def ranks(number: int, threads: int | None = None) -> Any:
    return replace(LAUNCH, num_ranks=number, threads_per_rank=threads)


@pytest.mark.parametrize(
    ("exported", "configured", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, None, (3, "OMP_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "3"}, 5, (5, "launch.threads_per_rank")),
        ({"MKL_NUM_THREADS": "6"}, None, (6, "MKL_NUM_THREADS")),
        ({"MKL_NUM_THREADS": "6", "OMP_NUM_THREADS": "3"}, None, (6, "MKL_NUM_THREADS")),  # as torch takes it
        ({"OMP_NUM_THREADS": "4,2"}, None, (4, "OMP_NUM_THREADS")),
        ({"OMP_NUM_THREADS": "3", "SLURM_CPUS_PER_TASK": "1"}, None, (3, "OMP_NUM_THREADS")),
        ({"SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "64"}, None, (1, "SLURM_CPUS_PER_TASK")),
        ({"SLURM_CPUS_ON_NODE": "1"}, None, (1, "SLURM_CPUS_ON_NODE")),
    ],
)
def test_what_the_user_exports_stands(exported: dict[str, str], configured: int | None, expected: Any) -> None:
    assert num_threads(ranks(1, configured), exported) == expected
    told = {**exported, **variables(ranks(1, configured), exported)}
    # a library that reads either finds the number
    assert int(told.get("MKL_NUM_THREADS", told["OMP_NUM_THREADS"]).split(",")[0]) == expected[0]
    if expected[1] in exported:
        assert told[expected[1]] == exported[expected[1]]


@pytest.mark.parametrize(
    "exported", [{}, {"OMP_NUM_THREADS": ""}, {"OMP_NUM_THREADS": "all"}, {"OMP_NUM_THREADS": "0"}]
)
def test_else_the_ranks_of_a_host_share_its_cores(exported: dict[str, str]) -> None:
    cores, source = usable_cores(exported)
    assert 1 <= cores <= CORES
    assert num_threads(ranks(1), exported) == (cores, source)
    assert num_threads(replace(LAUNCH, num_ranks=2 * cores), exported)[0] == 1
    assert num_threads(replace(LAUNCH, num_ranks=2, num_nodes=2), exported)[0] == cores
    assert variables(ranks(1), exported)["OMP_NUM_THREADS"] == str(cores)


def test_threads_soon_sleep_while_they_wait_unless_the_user_wants_it_otherwise() -> None:
    ours = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300"}
    assert variables(LAUNCH, {}).items() >= ours.items()
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        assert not variables(LAUNCH, {name: "1"}).keys() & ours.keys()
    assert record(LAUNCH, {"OMP_NUM_THREADS": "2", **SPINS}) == {
        "threads_per_rank": 2,
        "threads_from": "OMP_NUM_THREADS",
        "waiting": SPINS,
    }
    assert record(ranks(1, 7), {})["waiting"] == ours


@pytest.mark.parametrize(
    ("process", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),  # a container
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"}, 4.0),  # a limit further up
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "400000 100000"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/\n", {}, None),
        (
            "5:memory:/x\n4:cpu,cpuacct:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"},
            3.0,
        ),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("4:cpu:/seen/outside\n", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2.0),
    ],
)
def test_the_quota_of_a_control_group(tmp_path: Path, process: str, files: dict[str, str], expected: Any) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "cgroup").write_text(process)
    assert cgroup_quota(tmp_path / "cgroup", tmp_path) == expected
    assert cgroup_quota(tmp_path / "none", tmp_path) is None
