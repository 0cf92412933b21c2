"""One child process of the verifier and the two ends of its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import ufo_rl
from ufo_rl.grader.math.process.verdict import Verdict

# Importing sympy takes a second of CPU time; on a disk far away, or while the machine swaps, minutes of the wall clock.
START_LIMIT_S = 600.0
SLICE_S = 1.0
OUT_OF_TIME = -signal.SIGPROF  # status of a child that the system ended at its limit of CPU time
JUDGE = "ufo_rl.grader.math.process.judge"


class Died(Exception):
    """A child ended by itself, or something else ended it; `is_early` if before it was ready."""

    def __init__(self, words: str, status: int, is_early: bool = False) -> None:
        super().__init__(words)
        self.status, self.is_early = status, is_early


class Child:
    """One running child and the two ends of its pipes."""

    def __init__(self, time_limit_s: float, backstop_s: float, other: str) -> None:
        package_home = str(Path(ufo_rl.__file__).resolve().parents[1])
        # behind Python's own modules: a file in the folder of the start named like one (random.py) is in nobody's way
        begin = f"{ufo_rl.load_words()}; sys.path.append({package_home!r}); from {JUDGE} import main"
        program = f"{begin}; main(float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])"
        given, here = os.environ.get("PYTHONPATH", "").split(os.pathsep), os.getcwd()
        search_path = os.pathsep.join(path for path in given if path and os.path.abspath(path) != here)
        command = [sys.executable, "-P", "-c", program, str(time_limit_s), str(backstop_s)]
        self.process = subprocess.Popen(
            [*command, other] if other else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.end = weakref.finalize(self, _end, self.process)
        self._received, self._is_ready = b"", False

    def wait_until_ready(self) -> None:
        """Returns when the child has imported what it needs. Raises Died."""
        if self._is_ready:
            return
        try:
            hello = self._read(START_LIMIT_S)
        except TimeoutError:
            self.end()
            raise Died(f"no sign of life within {START_LIMIT_S:g} s", 0, is_early=True) from None
        except EOFError:
            status = self._status()
            words = "its imports take too much CPU time" if status == OUT_OF_TIME else f"it ended with status {status}"
            raise Died(words, status, is_early=True) from None
        if "error" in hello:
            self.end()
            raise Died(hello["error"], 0, is_early=True)
        self._is_ready = True

    def _status(self) -> int:
        self.end()
        return self.process.returncode

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def send(self, question: dict[str, Any]) -> None:
        """Asks; waits for the end of the start, which is on no clock. Raises Died."""
        self.wait_until_ready()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def reply(self, limit_s: float) -> Verdict | None:
        """The verdict; None where there is none within `limit_s` more seconds of waiting. Raises Died."""
        try:
            reply = self._read(limit_s)
        except TimeoutError:
            return None
        except EOFError:
            raise self._death() from None
        return Verdict(reply["equal"], reply["reason"], reply["method"])

    def _death(self) -> Died:
        status = self._status()
        return Died(f"the child process ended with status {status}", status)

    def _read(self, limit_s: float) -> dict[str, Any]:
        """TimeoutError after `limit_s` seconds of waiting; EOFError when the child has ended.

        Counted is what this process waited awake, in slices: while it is stopped or the machine sleeps, the child is too.
        """
        assert self.process.stdout is not None
        waited = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if waited >= limit_s:
                    raise TimeoutError
                patience = min(SLICE_S, limit_s - waited)
                if not selector.select(patience):
                    waited += patience
                    continue
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
