"""Comparisons in child processes that are killed and replaced when one question exceeds its time.

sympy can hang inside a single C call (a sum up to `9^{9^{9^9}}`), where neither signals nor threads help, and signals work
in the main thread only. So the parent talks to `python -m ufo_rl.grader.math.judge` in JSON lines and owns the deadline; it
sets no signal handler and works from any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Importing sympy takes a second, on a busy machine many; beyond this the installation is broken.
START_LIMIT_S = 120.0
TRIES = 2  # a child that died of a question is replaced and asked once more
KILLED = (-signal.SIGKILL, -signal.SIGTERM)
MAX_KILLED = 20  # times that something else may kill a child in one question, before that is not chance any more
MAX_CHILDREN = 8


@dataclass(frozen=True)
class Verdict:
    """`equal` is false whenever `reason` is not empty: `unparsed: ...`, `timeout: ...` or `crash: ...`. `method` is what
    decided: `formula` (ours), `math_verify`, or `tolerance` for numbers that are nearly equal where that is asked for."""

    equal: bool
    reason: str = ""
    method: str = "math_verify"


class Verifier:
    """Answers "are these two answers the same mathematics?" within `time_limit_s` seconds each. Thread-safe.

    Up to `num_children` questions at a time (None: one a core, shared with the other ranks of this machine). A child
    starts when all others are busy; it ends with this object, at exit, or soon after the parent is gone. `other` names a
    grader to ask in place of ours (see other.py); then the question is a gold and a whole completion.
    With `relative_tolerance` (> 0) numbers that differ by at most that share of the gold are the same; None: exact.
    """

    def __init__(
        self,
        time_limit_s: float,
        num_children: int | None = None,
        other: str = "",
        relative_tolerance: float | None = None,
    ) -> None:
        self.time_limit_s, self.other = time_limit_s, other
        self.relative_tolerance = relative_tolerance
        self.num_children = num_children or _share_of_cores()
        self.children: list[_Child | None] = [None] * self.num_children
        self._free: queue.LifoQueue[int] = queue.LifoQueue()  # places in `children`; the last one used is asked next
        for place in range(self.num_children):
            self._free.put(place)

    def verify(self, gold: str, answer: str) -> Verdict:
        """Never raises for what the texts hold; RuntimeError when no child can be started at all."""
        place, num_killed, num_died = self._free.get(), 0, 0
        try:
            while True:
                try:
                    return self._ask(place, gold, answer)
                except _Died as death:
                    is_killed = death.status in KILLED
                    num_killed, num_died = num_killed + is_killed, num_died + (not is_killed)
                    if num_killed < MAX_KILLED and num_died < TRIES:
                        continue
                    if death.is_early:
                        raise RuntimeError(f"the child process of the grader does not start: {death}") from death
                    return Verdict(False, f"crash: {death}")
        finally:
            self._free.put(place)

    def start(self) -> None:
        """Starts a child before the first question; RuntimeError when it does not start."""
        place = self._free.get()
        try:
            self._alive(place).wait_until_ready()
        except _Died as death:
            raise RuntimeError(f"the child process of the grader does not start: {death}") from death
        finally:
            self._free.put(place)

    def close(self) -> None:
        """Ends the children, each when it is free; the next question starts a new one."""
        for place in [self._free.get() for _ in range(self.num_children)]:
            self._end(place)
            self._free.put(place)

    def _ask(self, place: int, gold: str, answer: str) -> Verdict:
        """One try. Raises _Died."""
        child, half = self._alive(place), self.time_limit_s / 2
        child.send({"gold": gold, "answer": answer, "relative_tolerance": self.relative_tolerance})
        try:
            verdict = child.reply(half)
            if verdict is None:  # its successor gets ready meanwhile, so that the next question need not wait for one
                self.children[place] = _Child(self.time_limit_s, self.other)
                try:
                    verdict = child.reply(half)
                finally:
                    child.end()
        except _Died as death:
            if death.status != -signal.SIGALRM:  # its own clock, which may be the first on a busy machine
                raise
            verdict = None
        return verdict or Verdict(False, f"timeout: no verdict within {self.time_limit_s:g} s")

    def _alive(self, place: int) -> _Child:
        child = self.children[place]
        if child is None or not child.is_alive:
            self._end(place)
            self.children[place] = child = _Child(self.time_limit_s, self.other)
        return child

    def _end(self, place: int) -> None:
        child, self.children[place] = self.children[place], None
        if child is not None:
            child.end()


def _share_of_cores() -> int:
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MAX_CHILDREN, len(os.sched_getaffinity(0)) // ranks))


class _Died(Exception):
    """A child ended by itself, or something else ended it; `is_early` if before it was ready."""

    def __init__(self, words: str, status: int, is_early: bool = False) -> None:
        super().__init__(words)
        self.status, self.is_early = status, is_early


class _Child:
    """One running child and the two ends of its pipes."""

    def __init__(self, time_limit_s: float, other: str) -> None:
        package_home = str(Path(__file__).resolve().parents[2])
        search_path = os.pathsep.join(filter(None, [package_home, os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ufo_rl.grader.math.judge", str(time_limit_s), *([other] if other else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.end = weakref.finalize(self, _end, self.process)
        self._received, self._is_ready = b"", False

    def wait_until_ready(self) -> None:
        """Returns when the child has imported what it needs. Raises _Died."""
        if self._is_ready:
            return
        try:
            hello = self._read(START_LIMIT_S)
        except TimeoutError:
            self.end()
            raise _Died(f"no sign of life within {START_LIMIT_S:g} s", 0, is_early=True) from None
        except EOFError:
            status = self._status()
            raise _Died(f"it ended with status {status}", status, is_early=True) from None
        if "error" in hello:
            self.end()
            raise _Died(hello["error"], 0, is_early=True)
        self._is_ready = True

    def _status(self) -> int:
        self.end()
        return self.process.returncode

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def send(self, question: dict[str, Any]) -> None:
        """Asks; waits for the end of the start, which is on no clock. Raises _Died."""
        self.wait_until_ready()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def reply(self, limit_s: float) -> Verdict | None:
        """The verdict; None where there is none within `limit_s` more seconds. Raises _Died."""
        try:
            reply = self._read(limit_s)
        except TimeoutError:
            return None
        except EOFError:
            raise self._death() from None
        return Verdict(reply["equal"], reply["reason"], reply["method"])

    def _death(self) -> _Died:
        status = self._status()
        return _Died(f"the child process ended with status {status}", status)

    def _read(self, limit_s: float) -> dict[str, Any]:
        """TimeoutError after `limit_s` seconds; EOFError when the child has ended."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                chunk = os.read(self.process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise EOFError
                self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the child, waits for it, closes the pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):  # a question that the child never read
            pipe.close()
