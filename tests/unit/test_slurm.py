"""SLURM's variables, what a job asks of it, and what it says of jobs: read right, and told in plain words. The jobs
themselves are tests/slurm."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ufo_rl.cluster import jobs as cluster
from ufo_rl.cluster.queue import Queued, parsed
from ufo_rl.cluster.slurm_file import Submitted, last
from ufo_rl.cluster.submit import Submission, parameters
from ufo_rl.config.compose import compose_jobs, compose_one
from ufo_rl.config.group_choices import missing_option
from ufo_rl.config.identity import run_id, run_name
from ufo_rl.config.load import load
from ufo_rl.config.scheduler import OWN_JOB, first_host, is_own_job, meeting_point
from ufo_rl.errors import UserError
from ufo_rl.experiment.copies import leading, step_of
from ufo_rl.run import check_jobs

ALLOCATION = {"SLURM_JOB_ID": "41234", "SLURM_JOB_NODELIST": "gpu[03-04]", "SLURM_JOB_NUM_NODES": "2"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("gpu[03-05,9],head", "gpu03"),
        ("rack[1-2]n[0-7]", "rack1n0"),
        ("node7", "node7"),
        ("a,b", "a"),
        ("n[12,15]", "n12"),
        ("10.0.0.[1-4]", "10.0.0.1"),
    ],
)
def test_the_first_host_of_a_list(hosts: str, first: str) -> None:
    assert first_host(hosts) == first


@pytest.mark.parametrize(
    ("num_nodes", "changed", "place"),
    [
        (2, {}, "gpu03:21234"),
        (1, {}, None),
        (3, {}, None),  # another run's allocation
        (2, {"SLURM_JOB_NODELIST": ""}, None),
        (2, {"SLURM_JOB_ID": ""}, None),
        (
            2,
            {"SLURM_JOB_NUM_NODES": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NODELIST": "gpu[07-08]"},
            "gpu07:21234",
        ),
    ],
)
def test_where_hosts_meet(num_nodes: int, changed: dict[str, str], place: str | None) -> None:
    assert meeting_point(num_nodes, {**ALLOCATION, **changed}) == place


def test_two_hosts_of_an_allocation_need_no_rendezvous(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["launch.num_nodes=2", "launch.num_ranks=2"]
    for name in (*ALLOCATION, "SLURM_STEP_NODELIST", "SLURM_NODEID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        UserError, match=r"launch.rendezvous=null: .* in an allocation of SLURM's with 2 hosts it is known"
    ):
        load(compose_jobs(words)[0].plain)
    for name, value in {**ALLOCATION, "SLURM_NODEID": "1"}.items():
        monkeypatch.setenv(name, value)
    launch = load(compose_jobs(words)[0].plain).launch
    assert (launch.rendezvous, launch.node_rank) == ("gpu03:21234", 1)


def test_a_run_is_the_same_run_wherever_it_is_launched() -> None:
    local, slurm = (compose_jobs([f"launch={option}"])[0] for option in ("local", "slurm"))
    assert run_id(local.plain) == run_id(slurm.plain) and local.folder == slurm.folder
    assert run_name(local.plain, local.overrides) == run_name(slurm.plain, slurm.overrides)
    assert local.is_here and not slurm.is_here


def test_a_job_of_ours_runs_the_run_and_a_shell_inside_another_does_not() -> None:
    assert is_own_job({OWN_JOB: "7", "SLURM_JOB_ID": "7"})
    assert not any(map(is_own_job, ({}, {"SLURM_JOB_ID": "7"}, {OWN_JOB: "6", "SLURM_JOB_ID": "7"}, {OWN_JOB: ""})))


def test_what_a_job_asks_of_slurm() -> None:
    def asked(*words: str) -> dict[str, object]:
        return parameters(load(compose_jobs(["launch=slurm", *words])[0].plain).launch)

    assert asked("launch.num_nodes=2", "launch.num_ranks=16") == {
        **{"nodes": 2, "ntasks_per_node": 1, "gpus_per_node": 8, "cpus_per_task": 8, "time": 1440},
        **{"array_parallelism": 256, "signal_delay_s": 120, "stderr_to_stdout": True},
        **{"additional_parameters": {"requeue": True}, "srun_args": ["--cpus-per-task=8"]},
    }
    assert "gpus_per_node" not in asked("launch.device=cpu")
    more = asked(
        "launch.slurm.mem_gb=1.5", "launch.slurm.partition=short", "+launch.slurm.additional_parameters.nice=10"
    )
    assert (more["mem"], more["partition"]) == ("1536MB", "short")
    assert more["additional_parameters"] == {"requeue": True, "nice": 10}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("launch.slurm.signal_delay_s=20", "launch.slurm.signal_delay_s=20 must be above launch.grace_s=30: "),
        ("launch.slurm.timeout_min=0", "launch.slurm.timeout_min=0 must be >= 1"),
        ("launch.slurm.max_num_timeout=-1", "launch.slurm.max_num_timeout=-1 must be >= 0"),
    ],
)
def test_values_that_cannot_be(words: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        load(compose_jobs(["launch=slurm", *words.split()])[0].plain)
    assert caught.value.problems[0].startswith(problem)


def test_keys_of_slurm_are_there_with_slurm_alone() -> None:
    with pytest.raises(UserError, match=r"launch.slurm.partition=x: no such key"):
        compose_jobs(["launch.slurm.partition=x"])
    with pytest.raises(UserError, match=r"launch.slurm.partitin=x: no such key; did you mean \"partition\""):
        compose_jobs(["launch=slurm", "launch.slurm.partitin=x"])


def test_a_gpu_of_the_jobs_is_not_looked_for_where_they_are_submitted() -> None:
    small = ["launch.device=cuda", "selector=random", "train.max_steps=1"]
    with pytest.raises(UserError, match=r"launch.device=cuda"):
        check_jobs(compose_jobs(small))
    check_jobs(compose_jobs(["launch=slurm", *small]))


def test_what_cannot_be_submitted_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    asked = compose_jobs(["launch=slurm,local"], multirun=True)
    with pytest.raises(UserError) as caught:
        cluster.check(
            [replace(one, is_sample=True) for one in asked], ["-m", "launch=slurm,local", "hydra/launcher=basic"]
        )
    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        "launch=slurm: submitit is not installed",
        "launch=slurm: no sbatch, squeue, srun on this machine",
        "launch=slurm: another package's sweeper makes its jobs as it goes, and these are submitted together",
        "launch=slurm is a launcher itself",
        "launch=slurm for some jobs only",
    ]
    assert "pip install 'ufo-rl[slurm]'" in caught.value.problems[0]
    assert missing_option("hydra/launcher", "submitit_slurm", []).endswith("not installed; pip install 'ufo-rl[slurm]'")


def test_commands_that_are_no_experiments_are_not_submitted() -> None:
    with pytest.raises(UserError, match="doctor: launch=slurm submits experiments"):
        compose_one(["launch=slurm"], None, None, "doctor")


def test_a_job_is_a_single_run_in_the_folder_that_was_planned(here: Path) -> None:
    one, two = compose_jobs(["launch=slurm", "seed=0,1", "name=it"], multirun=True)
    folder = here / "odd 'name"
    words = Submission(two, folder, load(two.plain).launch, "it").words()
    (job,) = compose_jobs(words)
    assert job.folder == folder and run_id(job.plain) == run_id(two.plain) != run_id(one.plain)


def test_the_queue_is_read() -> None:
    told = (
        "12_0|ufo-rl-a|RUNNING|None\n12_1|ufo-rl-a|PENDING|Resources\n7|odd|name|TIMEOUT|TimeLimit\n\nslurm: a word\n"
    )
    found = parsed(told)
    assert found["7"] == Queued("7", "odd|name", "TIMEOUT", "TimeLimit") and set(found) == {"12_0", "12_1", "7"}
    assert [(one.is_live, one.is_waiting) for one in found.values()] == [(True, False), (True, True), (False, False)]


def test_a_job_whose_id_was_never_written_down_is_found_by_its_name(here: Path) -> None:
    queued = parsed("12_0|ufo-rl-a|RUNNING|None\n12_1|ufo-rl-a|PENDING|None\n13|ufo-rl-b|PENDING|None\n")
    for written, job in ((Submitted("ufo-rl-a", 1, ""), "12_1"), (Submitted("ufo-rl-b", None, ""), "13")):
        written.write(here)
        known = last(here)
        assert known == written and (found := known.found(queued)) and found.job == job
    assert Submitted("ufo-rl-c", None, "").found(queued) is None
    assert Submitted("ufo-rl-a", 0, "", job="12_0", end="COMPLETED").found(queued) is None
    (here / "slurm.json").write_text("[")
    assert last(here) is None


def test_copies_of_one_srun_have_one_leader(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step = {"SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}
    with (
        leading(here / "outputs", ["seed=0"], step, 1) as first,
        leading(here / "outputs", ["seed=0"], step, 1) as second,
    ):
        assert first and not second
        with leading(here / "outputs", ["seed=1"], step, 1) as other, leading(here, ["seed=0"], step, 4) as host:
            assert other and host  # a seed for each task; a host for each task
    assert (
        "srun started this command 4 times and launch.num_nodes=1 takes one: task 2 has nothing to do"
        in capsys.readouterr().err
    )
    assert list((here / "outputs").iterdir()) == []


@pytest.mark.parametrize("changed", [{"SLURM_STEP_ID": ""}, {"SLURM_STEP_NUM_TASKS": "1"}, {"SLURM_JOB_ID": "x"}])
def test_variables_that_say_too_little_make_no_copy(changed: dict[str, str]) -> None:
    assert step_of({"SLURM_JOB_ID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", **changed}) == ""
