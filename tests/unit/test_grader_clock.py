"""Which clock ends a question: CPU time of the child; and the wall clock, much later, for one that only waits."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.verifier_children import ends, pids
from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.process import verifier as module
from ufo_rl.grader.math.process.verdict import Verdict
from ufo_rl.grader.math.process.verifier import Verifier, backstop

RIGHT = Verdict(True, method="formula")
SPINS = "def judge(gold, completion):\n    while True: pass\n"
# Waits for ever the first time that it is asked to; then tells whether another question was asked meanwhile.
WAITS_ONCE = """
import time
from pathlib import Path
def judge(gold, completion):
    if completion != "waits once":
        Path("busy").touch()
        time.sleep(0.05)
        Path("busy").unlink(missing_ok=True)
        return True
    if not Path("waited").exists():
        Path("waited").touch()
        time.sleep(1000)
    return not any(Path("busy").exists() or time.sleep(0.01) for _ in range(50))
"""


@contextmanager
def closed_in_the_end(verifier: Verifier) -> Iterator[Verifier]:
    try:
        yield verifier
    finally:
        verifier.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backstop comes after a second and a half."""
    monkeypatch.setattr(module, "backstop", lambda time_limit_s: 1.5)


def cpu_seconds_of_ended_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def test_a_hang_ends_at_its_cpu_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spins.py").write_text(SPINS)
    with closed_in_the_end(Verifier(time_limit_s=0.5, num_children=1, other="spins:judge")) as verifier:
        before = cpu_seconds_of_ended_children()
        assert verifier.verify("7", "7").reason == "timeout: no verdict within 0.5 s of CPU time"
        assert cpu_seconds_of_ended_children() - before >= 0.5


def test_a_right_answer_is_right_however_long_the_child_gets_no_cpu_time() -> None:
    """Stopped for three times the limit, as by a machine that has other things to do."""
    with closed_in_the_end(Verifier(time_limit_s=0.5, num_children=1)) as verifier:
        verifier.start()
        (child,) = pids(verifier)
        os.kill(child, signal.SIGSTOP)
        threading.Timer(1.5, os.kill, (child, signal.SIGCONT)).start()
        assert verifier.verify("2x", "x+x") == RIGHT


@pytest.mark.usefixtures("soon")
def test_what_the_backstop_ends_is_asked_again() -> None:
    with closed_in_the_end(Verifier(time_limit_s=1, num_children=1)) as verifier:
        verifier.start()
        (child,) = pids(verifier)
        os.kill(child, signal.SIGSTOP)  # for ever
        assert verifier.verify("2x", "x+x") == RIGHT
        assert ends(child)


@pytest.mark.soak
@pytest.mark.usefixtures("soon")
def test_it_is_asked_again_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("waits.py").write_text(WAITS_ONCE)
    two = Verifier(time_limit_s=1, num_children=2, other="waits:judge")
    with closed_in_the_end(two) as verifier, ThreadPoolExecutor(3) as threads:
        waits = threads.submit(verifier.verify, "", "waits once")
        others = [threads.submit(verifier.verify, "", "goes on") for _ in range(80)]
        assert waits.result() == Verdict(True, method="waits:judge")
        assert all(other.result().equal for other in others)


@pytest.mark.soak
def test_a_stalled_verdict_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped whenever it starts: both tries stall. Once the machine has time the same question is right."""
    monkeypatch.setattr(module, "backstop", lambda time_limit_s: 0.5)
    grader = MathGrader(time_limit_s=1, max_chars=100)
    new_child = grader._verifier._new_child

    def stopped() -> object:
        child = new_child()
        child.wait_until_ready()
        os.kill(child.process.pid, signal.SIGSTOP)
        return child

    with monkeypatch.context() as context:
        context.setattr(grader._verifier, "_new_child", stopped)
        graded = grader.grade("2x", r"\boxed{x+x}")
    assert not graded.correct and graded.method == "none"
    assert graded.reason.startswith("stalled: twice no verdict within 0.5 s, though it used less than 1 s of CPU time")
    grader.close()
    grader._verifier.backstop_s = 60.0
    assert grader.grade("2x", r"\boxed{x+x}").correct
    grader.close()


def test_the_backstop_is_far_behind_the_limit() -> None:
    assert (backstop(0.1), backstop(5), backstop(10)) == (60, 60, 120)
