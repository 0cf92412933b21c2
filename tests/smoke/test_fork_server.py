"""Stages are forked from one server: each with processes of its own, whatever becomes of server, stage and parent."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import family
from tests.waiting import BACKSTOP_S, wait_until
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import StageFailed
from ufo_rl.launch import forked
from ufo_rl.launch.stages import Stages
from ufo_rl.launch.threads import WAITING

pytestmark = [pytest.mark.smoke, pytest.mark.skipif(sys.platform != "linux", reason="elsewhere stages are not forked")]
PROBE = """
import os, re, signal, sys, time
MARK = {mark}
SEEN = []
def about(request, context):
    had_torch, had_wave = "torch" in sys.modules, "wave" in sys.modules
    import numpy, torch
    SEEN.append(1)
    total = torch.ones(512, 512).mm(torch.ones(512, 512)).sum().item()  # all threads of this process
    files = [f"/proc/self/fd/{{number}}" for number in os.listdir("/proc/self/fd")]
    links = [os.readlink(file) for file in files if os.path.islink(file)]  # without that of the listing
    return {{"pid": os.getpid(), "group": os.getpgrp(), "parent": os.getppid(), "mark": MARK, "seen": len(SEEN),
            "total": total, "had_torch": had_torch, "had_wave": had_wave, "threads": torch.get_num_threads(),
            "folder": os.getcwd(), "policy": os.environ.get("OMP_WAIT_POLICY"),
            "attention": os.environ.get("TORCH_CUDNN_SDPA_DEPRIORITIZED"),
            "world": os.environ["WORLD_SIZE"], "drawn": numpy.random.rand(),
            "torch_drew": torch.rand(1).item(), "sockets": [x for x in links if "socket" in x]}}
def dies(request, context):
    if context.place.rank == context.place.world_size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(10_000)
def asks_to_end(request, context):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10_000)
def waits(request, context):
    time.sleep(10_000)
def hogs(request, context):
    re.match(r"(a+)+$", "a" * 60 + "b")  # for ever, and no other thread of the process runs
"""
PROGRAM = """
import sys
from pathlib import Path
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.launch.stages import Stages
(job,) = compose_jobs(sys.argv[2:])
launch = load(job.plain).launch  # any record of ours will do as what is asked
print(Stages(Path("run"), launch).run("probe", f"probe.{sys.argv[1]}", launch, "any"))
"""
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a function of the module probe, which lies in the folder of the start, as a stage."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()

    def run(
        function: str, num_ranks: int = 1, threads: int | str = 1, mark: int = 0, soon: tuple[str, ...] = ()
    ) -> list[dict[str, Any]]:
        Path("probe.py").write_text(PROBE.format(mark=mark))
        (job,) = compose_jobs(
            [f"launch.num_ranks={num_ranks}", f"launch.threads_per_rank={threads}", "launch.device=cpu"]
        )
        launch = load(job.plain).launch
        return Stages(tmp_path / "run", launch, soon=soon).run("probe", f"probe.{function}", launch, "any")

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
    assert first["folder"] == str(tmp_path) and first["world"] == "1" and first["sockets"] == []
    assert (tmp_path / "run/logs/probe.log").stat().st_mode & 0o111 == 0


@pytest.mark.soak
def test_what_a_later_stage_needs_is_imported_while_one_runs(run: Run, tmp_path: Path) -> None:
    forked.forget()
    (first,), (second,) = run("about", soon=("wave", "no_such_module")), run("about")
    assert (first["had_wave"], second["had_wave"]) == (False, True) and first["parent"] == second["parent"]
    told = (tmp_path / "run/logs/probe.log").read_text()
    assert told.count("no_such_module cannot be imported ahead: ModuleNotFoundError") == 1
    forked.forget()
    (needing,) = run("about", soon=("wave", "probe"))  # the stage's own module is among them: it waits for them
    assert needing["had_wave"] and needing["mark"] == 0


@pytest.mark.soak
def test_where_a_library_has_started_cuda_in_the_server_ranks_are_fresh_processes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's own question stands for it here, where no GPU is; on one, see bench/README.md."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own/starts_cuda.py").write_text("import torch\ntorch.cuda._is_in_bad_fork = lambda: True")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "own"), os.environ.get("PYTHONPATH", "")]))
    mark = uuid.uuid4().hex
    monkeypatch.setenv("UFO_TEST", mark)
    found = run("about", num_ranks=2, soon=("starts_cuda", "wave", "probe"))
    assert [one["had_wave"] for one in found] == [False] * 2
    assert [one["world"] for one in found] == ["2"] * 2
    with pytest.raises(StageFailed, match="ended with status"):
        run("dies", num_ranks=2, soon=("starts_cuda", "wave", "probe"))
    server = server_pid()
    assert wait_until(lambda: family(mark) == [server])  # and no stage outlives it
    forked.forget()


def test_ranks_beside_each_other_are_one_group_and_draw_their_own_numbers(run: Run) -> None:
    one, other = run("about", num_ranks=2)
    assert one["pid"] != other["pid"] and one["group"] == other["group"] == one["parent"] == other["parent"]
    assert one["world"] == "2" and one["sockets"] == other["sockets"] == []
    (alone,) = run("about")
    for name in ("drawn", "torch_drew"):
        assert len({one[name], other[name], alone[name]}) == 3


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_killed_rank_ends_its_stage_and_not_the_server(run: Run, num_ranks: int) -> None:
    run("about")
    before, began = server_pid(), time.monotonic()
    with pytest.raises(StageFailed, match="stage probe ended with status -9"):
        run("dies", num_ranks=num_ranks)
    assert time.monotonic() - began < BACKSTOP_S and server_pid() == before
    run("about")


def test_a_stage_in_a_thread_has_a_start_of_its_own(run: Run) -> None:
    """The kernel ends a process with the thread that started it."""
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.extend(run("about")))
    thread.start()
    thread.join()
    assert found[0]["parent"] == os.getpid()


def test_an_interrupted_start_leaves_nothing_to_the_next(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any) -> tuple[str, int]:
        raise KeyboardInterrupt

    run("about")
    before = server_pid()
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(forked.ForkServer, "_answer", interrupted)
        run("waits")
    (found,) = run("about")
    assert found["parent"] == server_pid() != before


@pytest.mark.soak
def test_an_interrupt_between_an_answer_and_its_being_known_leaves_nobody_waiting(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any) -> tuple[str, int]:
        answer(self)
        raise KeyboardInterrupt

    answer = forked.ForkServer._answer
    run("about")
    server = forked._servers[0]
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        first = server.start(Path("run/.work/probe/request.json"), 1, Path("run/logs/probe.log"), ())
        assert first is not None
        context.setattr(forked.ForkServer, "_answer", interrupted)
        first.wait()
    assert first.wait() == -signal.SIGKILL and not server.is_busy  # the server went with it
    run("about")


def test_a_module_that_cannot_be_imported_ahead_is_no_stages_last_word(run: Run, tmp_path: Path) -> None:
    forked.forget()
    with pytest.raises(StageFailed, match="ended with status -9: no output"):
        run("dies", soon=("no_such_module",))
    told = (tmp_path / "run/logs/probe.log").read_text()
    assert told.startswith("fork server: no_such_module cannot be imported ahead: ModuleNotFoundError")


def test_a_server_that_is_asked_to_end_stays_for_its_ranks(run: Run) -> None:
    """Schedulers send SIGTERM to every process of a job; the ranks have something to save."""
    run("about")
    os.kill(server_pid(), signal.SIGTERM)
    run("about")
    with pytest.raises(StageFailed, match="ended with status -15"):  # which a rank that saves nothing still ends by
        run("asks_to_end")


def test_a_killed_server_takes_its_stage_along(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv("UFO_TEST", mark)
    run("about")
    server = server_pid()

    def kill() -> None:
        assert wait_until(lambda: len(family(mark)) >= 4)  # server, agent and two ranks
        os.kill(server, signal.SIGKILL)

    thread, began = threading.Thread(target=kill), time.monotonic()
    thread.start()
    with pytest.raises(StageFailed, match="ended with status -9"):
        run("waits", num_ranks=2)
    thread.join()
    assert time.monotonic() - began < BACKSTOP_S
    assert wait_until(lambda: not family(mark))


@pytest.mark.soak
def test_a_killed_parent_takes_all_along_even_where_no_thread_can_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "probe.py").write_text(PROBE.format(mark=0))
    mark = uuid.uuid4().hex
    parent = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "hogs", "launch.num_ranks=2", "launch.device=cpu"],
        cwd=tmp_path,
        env={**os.environ, "UFO_TEST": mark},
    )
    assert wait_until(lambda: len(family(mark)) >= 5)  # with server, agent and two ranks
    time.sleep(1)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not family(mark))


@pytest.mark.soak
def test_commands_side_by_side_have_a_server_each(tmp_path: Path) -> None:
    commands = []
    for name in ("one", "other"):
        folder = tmp_path / name
        (folder / "run").mkdir(parents=True)
        (folder / "probe.py").write_text(PROBE.format(mark=repr(name)))
        words = [sys.executable, "-c", PROGRAM, "about", "launch.num_ranks=2", "launch.device=cpu"]
        commands.append(subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True))
    told = [ast.literal_eval(command.communicate()[0].strip().splitlines()[-1]) for command in commands]
    assert [{one["mark"] for one in ranks} for ranks in told] == [{"one"}, {"other"}]
    agents = {one["parent"] for ranks in told for one in ranks}
    assert len(agents) == 2 and len({one["pid"] for ranks in told for one in ranks}) == 4


def test_ranks_have_the_threads_and_the_attention_that_the_user_exports(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rank as many as he says, not its share of the cores, and they do not spin. Forked, or with a start of its own, as
    in a thread."""
    cores = len(os.sched_getaffinity(0))
    for name in (*WAITING, "MKL_NUM_THREADS", "TORCH_CUDNN_SDPA_DEPRIORITIZED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    found = run("about", num_ranks=2, threads="null")
    assert [(one["threads"], one["policy"], one["attention"]) for one in found] == [(cores, "PASSIVE", "1")] * 2
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCH_CUDNN_SDPA_DEPRIORITIZED", "0")
    thread = threading.Thread(target=lambda: found.extend(run("about", threads="null")))
    thread.start()
    thread.join()
    assert (found[2]["threads"], found[2]["policy"], found[2]["parent"]) == (1, "PASSIVE", os.getpid())
    assert found[2]["attention"] == "0"


@pytest.mark.soak
def test_another_environment_is_another_server_whose_threads_compute(run: Run) -> None:
    run("about")
    before = server_pid()
    (found,) = run("about", threads=2)
    assert server_pid() != before and found["threads"] == 2 and found["total"] == 512**3


def test_a_torch_that_cannot_be_imported_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken/torch").mkdir(parents=True)
    (tmp_path / "broken/torch/__init__.py").write_text("raise ImportError('libcudart.so.99: no such file')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(StageFailed, match=r"libcudart.so.99: no such file\nits log: .*/logs/probe.log"):
        run("about")
