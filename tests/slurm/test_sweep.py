"""A sweep on a real SLURM: an array, a failure, both kinds of requeue, a submitting process that is killed."""

from __future__ import annotations

import os
import signal

from tests.slurm.conftest import ON_SLURM, STEPS, SWEEP, Lab, Told
from tests.waiting import wait_until

SEEDS = (0, 1, 2, 3)
WORDS = ("-m", *SWEEP, "seed=0,1,2,3", "tracker=offline")


def accuracy(lab: Lab, seed: int, name: str) -> float:
    return lab.read(seed, "metrics.json", name)["eval"]["arithmetic"]["final"]["accuracy"]


def test_four_jobs_of_which_one_fails_and_two_are_requeued(lab: Lab) -> None:
    lab.plant(failing="3", seconds=4.0)
    command = (*WORDS, *ON_SLURM, "name=here")
    first = Told(lab.start(*command, preexec=os.setsid))
    assert wait_until(lambda: all(lab.steps(seed) for seed in (0, 1)))
    os.killpg(first.process.pid, signal.SIGKILL)
    assert "4 submitted, 0 adopted" in first.end()
    ids = {seed: lab.job(seed) for seed in SEEDS}
    assert len({job.partition("_")[0] for job in ids.values()}) == 1  # one array
    assert [job.partition("_")[2] for job in ids.values()] == ["0", "1", "2", "3"]

    second = Told(lab.start(*command))
    assert wait_until(lambda: second.says("0 submitted, 4 adopted"))
    lab.slurm.signal(ids[0], "USR2")  # as before a preemption, or a time limit
    lab.slurm.ask("scontrol", "requeue", ids[1])  # as an operator does
    lab.plant(failing="3")
    output = second.end()
    assert second.process.returncode == 1 and {seed: lab.job(seed) for seed in SEEDS} == ids, output
    assert {seed: lab.read(seed, "status.json")["state"] for seed in SEEDS} == {
        **dict.fromkeys((0, 1, 2), "completed"),
        3: "failed",
    }
    assert "4 jobs: 1 failed, 3 completed" in output and "planted for seed 3" in output
    # the requeued went on from the checkpoint that the signal had them make: no step is lost, none is done twice
    assert {seed: lab.read(seed, "run.json")["attempt"] for seed in SEEDS} == {0: 2, 1: 2, 2: 1, 3: 1}
    assert all(lab.steps(seed) == list(range(1, STEPS + 1)) for seed in (0, 1, 2))
    runs = [path.name for path in (lab.folder / "outputs/wandb").glob("offline-run-*")]
    assert len(runs) == 6 and len({run.rpartition("-")[2] for run in runs}) == 4  # a requeued run keeps its id

    lab.plant()
    output = lab.run(*command)
    assert output.count("done before") == 3 and " 1 submitted, 0 adopted" in output
    assert "4 jobs: 4 completed" in output
    lab.run(*WORDS, "name=local")
    assert [accuracy(lab, seed, "here") for seed in SEEDS] == [accuracy(lab, seed, "local") for seed in SEEDS]
