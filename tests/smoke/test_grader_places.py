"""The grader gives the same verdicts wherever it is called from, and leaves no signal handler behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

import pytest

import ufo_rl
from tests.grade_in_rank import LIMIT_S, cases, handlers
from ufo_rl.grader.math import MathGrader
from ufo_rl.launch.program import program
from ufo_rl.records import Graded

pytestmark = pytest.mark.smoke

GOLDS, COMPLETIONS, EXPECTED = zip(*cases(), strict=True)


@pytest.fixture
def grader() -> Iterator[MathGrader]:
    made = MathGrader(LIMIT_S, max_chars=2000)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference() -> list[Graded]:
    """Verdicts one by one in the main thread, each checked against how its case was made."""
    made = MathGrader(LIMIT_S, max_chars=2000)
    graded = [made.grade(gold, completion) for gold, completion in zip(GOLDS, COMPLETIONS, strict=True)]
    made.close()
    assert [one.correct for one in graded] == list(EXPECTED)
    assert {one.method for one in graded} == {"exact", "number", "formula", "math_verify", "none"}
    return graded


def test_the_main_thread_keeps_its_signals(grader: MathGrader, reference: list[Graded]) -> None:
    before = handlers()
    signal.signal(signal.SIGALRM, print)  # a program that has handlers of its own
    try:
        mine = handlers()
        assert mine != before
        assert grader.grade_all(GOLDS, COMPLETIONS) == reference
        assert handlers() == mine
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert handlers() == before


def test_worker_threads(grader: MathGrader, reference: list[Graded]) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(
                lambda pair: (threading.current_thread(), grader.grade(*pair)), zip(GOLDS, COMPLETIONS, strict=True)
            )
        )
    assert [graded for _, graded in found] == reference
    assert threading.main_thread() not in {thread for thread, _ in found}


def test_asyncio(grader: MathGrader, reference: list[Graded]) -> None:
    async def in_threads() -> list[Graded]:
        calls = (asyncio.to_thread(grader.grade, *pair) for pair in zip(GOLDS, COMPLETIONS, strict=True))
        return await asyncio.gather(*calls)

    async def in_the_loop() -> list[Graded]:
        return grader.grade_all(GOLDS, COMPLETIONS)

    assert asyncio.run(in_threads()) == reference
    assert asyncio.run(in_the_loop()) == reference


@pytest.mark.soak
def test_two_ranks(tmp_path: Path, reference: list[Graded]) -> None:
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "tests.grade_in_rank",
        str(tmp_path),
    ]
    home = Path(__file__).resolve().parents[2]
    search_path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    for record in records:
        assert record["graded"] == [list(astuple(one)) for one in reference]
        assert record["is_unchanged"]
        assert record["num_children"] == max(1, min(8, len(os.sched_getaffinity(0)) // 2))


def test_a_child_grades_by_the_same_copy_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grader: MathGrader
) -> None:
    """Another one in PYTHONPATH, or installed, would answer by rules of its own without a word."""
    (tmp_path / "ufo_rl").mkdir()
    (tmp_path / "ufo_rl/__init__.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert grader.grade("x+1", r"\boxed{1+x}").method == "formula"
    words = program("ufo_rl.launch.worker")[-1].replace("import main; main()", "import __file__ as file; print(file)")
    found = subprocess.run([sys.executable, "-P", "-c", words], capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(Path(ufo_rl.__file__).parent)
