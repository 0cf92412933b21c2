"""Single jobs on a real SLURM: how they end when they do not end well, several copies, several hosts."""

from __future__ import annotations

import signal
import socket
import sys

import pytest

from tests.slurm.conftest import ON_SLURM, STEPS, SWEEP, Lab, Told
from tests.waiting import wait_until

WORDS = (*SWEEP, "seed=0", "tracker=off")


def begin(lab: Lab, *words: str) -> Told:
    """A run that was submitted and trains, slowly."""
    lab.plant(seconds=4.0)
    before = len(lab.steps(0))
    told = Told(lab.start(*WORDS, *ON_SLURM, *words))
    assert wait_until(lambda: len(lab.steps(0)) > before)
    return told


def test_what_slurm_ends_is_told_in_its_words_and_goes_on(lab: Lab) -> None:
    told = begin(lab)
    lab.slurm.signal(lab.job(0), "KILL")  # what the kernel sends where memory runs out
    output = told.end()
    log = lab.read(0, "slurm.json")["log"]
    assert told.process.returncode == 1 and f"did not complete: SLURM job {lab.job(0)}: FAILED" in output
    assert f"its log: {log})" in output and lab.read(0, "status.json")["state"] == "failed"

    told = begin(lab)
    lab.slurm.ask("scancel", lab.job(0))
    output = told.end()
    assert "did not complete: interrupted in stage train (SLURM job" in output and ": CANCELLED; its log" in output
    lab.plant()
    assert f"training   {STEPS} steps" in lab.run(*WORDS, *ON_SLURM)  # the summary of a run
    assert lab.steps(0)[-STEPS:] == list(range(1, STEPS + 1))  # of the attempt that was cancelled, and of the next


def test_a_job_that_came_to_its_limit_too_often_says_so(lab: Lab) -> None:
    told = begin(lab, "launch.slurm.timeout_min=9", "launch.slurm.max_num_timeout=0")
    lab.slurm.signal(lab.job(0), "USR2")
    output = told.end()
    assert told.process.returncode == 1 and "more often than launch.slurm.max_num_timeout allows" in output
    assert lab.read(0, "status.json")["state"] == "failed"


def test_ctrl_c_leaves_the_jobs_and_says_how_to_come_back(lab: Lab) -> None:
    told = begin(lab)
    told.process.send_signal(signal.SIGINT)
    output = told.end()
    job = lab.job(0)
    assert (
        told.process.returncode == 130 and f"the same command comes back to them; to end them: scancel {job}" in output
    )
    assert lab.slurm.states()[job] == "RUNNING" and "Traceback" not in output
    again = Told(lab.start(*WORDS, *ON_SLURM))
    assert wait_until(lambda: again.says("0 submitted, 1 adopted"))
    lab.plant()
    assert f"training   {STEPS} steps" in again.end()
    assert again.process.returncode == 0 and lab.job(0) == job and lab.read(0, "run.json")["attempt"] == 1


def test_a_job_that_never_begins_is_no_failure_of_the_run(lab: Lab) -> None:
    told = Told(lab.start(*WORDS, *ON_SLURM, "+launch.slurm.additional_parameters={begin: now+1hour}"))
    assert wait_until(lambda: lab.job(0))
    lab.slurm.ask("scancel", lab.job(0))
    output = told.end()
    assert (
        told.process.returncode == 1
        and "did not complete: never started (SLURM job" in output
        and "CANCELLED" in output
    )
    assert lab.read(0, "status.json")["state"] == "planned"


def test_what_sbatch_refuses_is_told(lab: Lab) -> None:
    output = lab.run(*WORDS, *ON_SLURM, "launch.slurm.partition=nowhere", status=2)
    assert "sbatch refused the jobs: " in output and "invalid partition specified: nowhere" in output
    assert "Traceback" not in output and not lab.job(0)


def test_copies_under_one_srun(lab: Lab) -> None:
    told = lab.slurm.ask("srun", "-n2", f"--chdir={lab.folder}", sys.executable, "-m", "ufo_rl.cli", *WORDS)
    assert told.count(f"training   {STEPS} steps") == 1 and lab.read(0, "run.json")["attempt"] == 1


@pytest.mark.parametrize("empty", [("SLURM_NODEID",), ("SLURM_JOB_ID", "SLURM_PROCID", "SLURM_CPUS_PER_TASK")])
def test_empty_variables_of_slurm_break_no_local_run(lab: Lab, empty: tuple[str, ...]) -> None:
    foreign = {"SLURM_NODEID": "2", "SLURM_JOB_ID": "7", "SLURM_PROCID": "2", "SLURM_JOB_NODELIST": "n[1-4]"}
    foreign |= dict.fromkeys(empty, "")
    assert f"training   {STEPS} steps" in lab.run(*WORDS, **foreign)


def test_two_hosts_find_each_other_by_slurms_variables(lab: Lab) -> None:
    """One slurmd a machine, so that both are this one, with the variables that srun would set."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = str(probe.getsockname()[1] % 10_000)
    there = {"SLURM_JOB_ID": number, "SLURM_JOB_NODELIST": "127.0.0.1,127.0.0.2", "SLURM_JOB_NUM_NODES": "2"}
    words = (*WORDS, "launch.num_ranks=2", "launch.num_nodes=2", "train.per_device_train_batch_size=8")
    hosts = [Told(lab.start(*words, **there, SLURM_NODEID=str(rank))) for rank in (0, 1)]
    outputs = [host.end() for host in hosts]
    assert [host.process.returncode for host in hosts] == [0, 0], "\n".join(outputs)
    assert "joining with 1 ranks" in outputs[1] and lab.steps(0) == list(range(1, STEPS + 1))


def test_fail_fast_takes_what_has_not_begun_out_of_the_queue(lab: Lab) -> None:
    lab.plant(failing="0")
    words = ("-m", *SWEEP, "seed=0,1,2", "tracker=off", "fail_fast=true", "launch.slurm.array_parallelism=1")
    output = lab.run(*words, *ON_SLURM, status=1)
    # SLURM may start the second before the failure of the first is seen
    assert lab.read(2, "status.json")["state"] == "planned" and "never started (SLURM job" in output, output
    assert ": CANCELLED; its log: " in output and "1 failed" in output


def test_a_run_that_is_done_and_was_not_run_again_is_no_success(lab: Lab) -> None:
    lab.run(*WORDS)
    told = Told(lab.start(*WORDS, *ON_SLURM, "force=true", "+launch.slurm.additional_parameters={begin: now+1hour}"))
    assert wait_until(lambda: lab.job(0))
    lab.slurm.ask("scancel", lab.job(0))
    assert "was not run again: its results are of before (SLURM job" in told.end() and told.process.returncode == 1
    assert lab.read(0, "status.json")["state"] == "completed"
    again = lab.run(*WORDS, *ON_SLURM, "force=true")
    assert " 1 submitted, 0 adopted" in again and lab.read(0, "run.json")["attempt"] == 2
