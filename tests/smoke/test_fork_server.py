"""Stages on a CPU are forked from one server: each with a process of its own, whatever becomes of server and stage."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scoring_only import same_environment
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import StageFailed
from ufo_rl.launch import forked
from ufo_rl.launch.stages import Stages

pytestmark = pytest.mark.smoke
PROBE = """
import os, signal, sys, time
MARK = {mark}
SEEN = []
def about(request, context):
    had_torch = "torch" in sys.modules
    import torch
    SEEN.append(1)
    total = torch.ones(512, 512).mm(torch.ones(512, 512)).sum().item()  # all threads of this process
    return {{"pid": os.getpid(), "group": os.getpgrp(), "parent": os.getppid(), "mark": MARK, "seen": len(SEEN),
            "total": total, "had_torch": had_torch, "threads": torch.get_num_threads(), "folder": os.getcwd(),
            "world": os.environ["WORLD_SIZE"]}}
def dies(request, context):
    if context.place.rank == context.place.world_size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
def waits(request, context):
    time.sleep(60)
"""
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a function of the module probe, which lies in the folder of the start, as a stage."""
    monkeypatch.chdir(tmp_path)

    def run(function: str, num_ranks: int = 1, threads: int = 1, mark: int = 0) -> list[dict[str, Any]]:
        same_environment()
        Path("probe.py").write_text(PROBE.format(mark=mark))
        Path("run").mkdir(exist_ok=True)
        (job,) = compose_jobs([f"launch.num_ranks={num_ranks}", f"launch.threads_per_rank={threads}"])
        launch = load(job.plain).launch  # any record of ours will do as what is asked
        return Stages(tmp_path / "run", launch).run("probe", f"probe.{function}", launch, "any")

    return run


def server_pid() -> int:
    (server,) = forked._servers
    return server.process.pid


def test_each_stage_is_a_fresh_process_of_one_server(run: Run, tmp_path: Path) -> None:
    (first,), (second,) = run("about", mark=1), run("about", mark=2)
    assert first["parent"] == second["parent"] == server_pid() and first["pid"] != second["pid"]
    assert first["group"] == first["pid"]
    # torch is there before the stage begins, nothing of the user's is: his edited file is read again
    assert first["had_torch"] and [(one["mark"], one["seen"]) for one in (first, second)] == [(1, 1), (2, 1)]
    assert first["folder"] == str(tmp_path) and first["world"] == "1"


def test_ranks_beside_each_other_are_one_group(run: Run) -> None:
    one, other = run("about", num_ranks=2)
    assert one["pid"] != other["pid"] and one["group"] == other["group"] == one["parent"] == other["parent"]
    assert one["world"] == "2"


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_killed_rank_ends_its_stage_and_not_the_server(run: Run, num_ranks: int) -> None:
    run("about")
    before, began = server_pid(), time.monotonic()
    with pytest.raises(StageFailed, match="stage probe ended with status -9"):
        run("dies", num_ranks=num_ranks)
    assert time.monotonic() - began < 20 and server_pid() == before
    run("about")


def test_a_killed_server_is_replaced_and_takes_its_stage_along(run: Run) -> None:
    run("about")
    os.kill(server_pid(), signal.SIGKILL)
    run("about")
    victim = server_pid()
    threading.Timer(2.0, os.kill, (victim, signal.SIGKILL)).start()
    began = time.monotonic()
    with pytest.raises(StageFailed, match="ended with status -9"):
        run("waits")
    assert time.monotonic() - began < 20
    run("about")
    assert server_pid() != victim


def test_another_environment_is_another_server_whose_threads_compute(run: Run) -> None:
    run("about")
    before = server_pid()
    (found,) = run("about", threads=2)
    assert server_pid() != before and found["threads"] == 2 and found["total"] == 512**3
