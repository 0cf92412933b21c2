"""Start a stage as child ranks, follow its journal, and leave no process behind."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Launch
from ufo_rl.errors import StageFailed, UserError
from ufo_rl.files.journal import Tail
from ufo_rl.launch.alive import Watch
from ufo_rl.launch.forked import Forked, start_forked
from ufo_rl.launch.program import program, search
from ufo_rl.launch.request import Request
from ufo_rl.launch.threads import variables

log = logging.getLogger(__name__)
BRIEF_S = 1.0  # a stage that ends within this is not worth a word
POLL_S = 0.2
BEAT_S = 1.0
FULL = 2**20  # bytes left: too few to publish anything
# glibc gives freed blocks of some MiB back to the system and asks for them again, a page fault every 4 KiB: every
# activation of a forward pass on a CPU is such a block. Kept instead, up to its largest allowed size.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
# On Hopper and Blackwell torch takes cuDNN's attention first, for half precision, and that is built anew, a tenth of a second,
# for each shape of a batch and each length of a generation. What the user exports stands.
ATTENTION = {"TORCH_CUDNN_SDPA_DEPRIORITIZED": "1"}
Child = Forked | subprocess.Popen[bytes]
MADE = "UFO_RL_MADE"  # environment variable of a command's processes (`experiment/made.py`); no rank reads it
ASIDE = "fork server: "  # a line of a stage's log that begins so is not of the stage
DIED = " was ended by "  # a line of a stage's log: which rank, and the signal
PARENT = "UFO_RL_PARENT"  # environment variable: the process whose death ends the ranks


def run_ranks(
    request: Request,
    folder: Path,
    follow: Callable[[dict[str, Any]], None],
    tick: Callable[[], None] = lambda: None,
    soon: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Run a stage in `request.launch.num_ranks` processes and return the result of each rank.

    `folder` gets the log (logs/<stage>.log); each journal line that the stage writes is handed to `follow`; `tick`
    is called several times a second; `soon`: see `Stages`. Ctrl-C, SIGTERM and errors end all ranks before this returns.
    """
    stage, work, launch = request.stage, request.work, request.launch
    work.mkdir(parents=True, exist_ok=True)
    for old in work.glob("result-*.json"):
        old.unlink()
    path = request.write()
    log_path = folder / "logs" / f"{stage}.log"
    tail, watch = Tail(request.journal, from_end=True), Watch(work, launch.hang_s)

    last_beat = time.monotonic()

    def look() -> None:
        nonlocal last_beat
        for line in tail.lines():
            follow(line)
        tick()
        if problem := watch.problem():
            raise StageFailed(f"stage {stage}: {problem}; its log: {log_path}")
        if launch.num_nodes > 1 and time.monotonic() - last_beat >= BEAT_S:
            os.utime(path)  # other hosts see that it is waited for
            last_beat = time.monotonic()

    start = log_path.stat().st_size if log_path.exists() else 0
    status = run_agent(stage, path, folder, launch, look, _can_fork(request), soon)
    look()
    return _results(request, folder, status, log_path, start)


def _results(request: Request, folder: Path, status: int, log_path: Path, start: int) -> list[dict[str, Any]]:
    """Of each rank. UserError and StageFailed say what ended a stage that has none; start: where its lines begin in the log."""
    results = [json.loads(path.read_text()) for path in sorted(request.work.glob("result-*.json"))]
    problems = [problem for result in results for problem in result.get("problems", [])]
    if problems:
        raise UserError(*dict.fromkeys(problems))
    errors = [result["error"] for result in results if "error" in result]
    if errors or status != 0 or len(results) != request.launch.num_ranks:
        if shutil.disk_usage(folder).free < FULL:  # the ranks could not even write down what stopped them
            raise UserError(
                f"the disk of {folder} is full: stage {request.stage} stopped; free some space and run the same command again, "
                "what was published is kept"
            )
        lines = _lines(log_path, start)
        # who was killed, before what the others say of his silence
        killed = [line for line in lines if line.startswith("rank ") and DIED in line]
        words = (killed or errors or lines[-1:] or ["no output"])[0][:500]
        raise StageFailed(f"stage {request.stage} ended with status {status}: {words}\nits log: {log_path}")
    return results


def _can_fork(request: Request) -> bool:
    """Ranks of one host: a start costs more than many a stage."""
    return sys.platform == "linux" and request.launch.num_nodes == 1 and request.forks


def run_agent(
    stage: str,
    request: Path,
    folder: Path,
    launch: Launch,
    look: Callable[[], None] = lambda: None,
    can_fork: bool = False,
    soon: Sequence[str] = (),
) -> int:
    """Start this host's ranks and wait for their end; returns the exit status. `look` is called several times a second.

    Output goes to logs/<stage>.log, of another host than the first to logs/<stage>-<node_rank>.log.
    """
    name = stage if launch.node_rank == 0 else f"{stage}-{launch.node_rank}"
    log_path = folder / "logs" / f"{name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    environment = _environment(launch)
    child = None
    if can_fork:
        child = start_forked(environment, request, launch.num_ranks, log_path, soon)
    child = child or _start(environment, request, launch.node_rank, log_path)
    with _ended_at_last(child, launch.grace_s, look):
        while (status := child.poll()) is None:
            time.sleep(POLL_S)
            look()
    return status


def _start(environment: dict[str, str], request: Path, node_rank: int, log_path: Path) -> subprocess.Popen[bytes]:
    with log_path.open("a") as log:
        return subprocess.Popen(
            [*program("ufo_rl.launch.worker"), str(request), str(node_rank)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def _environment(launch: Launch) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name != MADE}  # another in each command of a process
    return {
        **ATTENTION,
        **given,
        PARENT: str(os.getpid()),
        **variables(launch, os.environ),
        **ALLOCATOR,
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",  # of the log: a locale without a character ends no stage
        **search(),
    }


@contextmanager
def _ended_at_last(child: Child, grace_s: float, look: Callable[[], None]) -> Iterator[None]:
    """Whatever happens in the block, the child's whole process group is gone afterwards. Asked to end, a training makes a
    checkpoint first; an interrupt more ends it at once."""
    try:
        yield
    except BaseException as error:
        _signal_group(child, signal.SIGTERM)
        if not isinstance(error, StageFailed):  # one that hangs
            with _deaf():
                _wait(child, grace_s, look if isinstance(error, KeyboardInterrupt) else lambda: None)
        raise
    finally:
        _signal_group(child, signal.SIGKILL)
        child.wait()


@contextmanager
def _deaf() -> Iterator[None]:
    """Clusters ask twice, and a terminal that closes does too; Ctrl-C alone says that there is no time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(child: Child, grace_s: float, look: Callable[[], None]) -> None:
    asked, is_told = time.monotonic(), False
    while child.poll() is None and (waited := time.monotonic() - asked) < grace_s:
        if waited >= BRIEF_S and not is_told:
            log.info("what runs is asked to end, within %g s (launch.grace_s); Ctrl-C once more ends it now", grace_s)
            is_told = True
        time.sleep(POLL_S)
        look()
    if child.poll() is None:
        log.warning("it did not end within %g s (launch.grace_s): what it has not saved is lost", grace_s)


def _signal_group(child: Child, number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return  # the group is gone already


def _lines(log_path: Path, start: int) -> list[str]:
    """Those of the stage's attempt that began at byte `start` of the log: all there is of a process that was killed."""
    with log_path.open("rb") as stream:
        stream.seek(start)
        lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(ASIDE)]
