r"""math-verify in a child process that is killed and replaced when one question exceeds its time.

sympy can hang inside a single C call (`9^{9^{9^9}}`), where neither signals nor threads help, and signals work in the main
thread only. So the parent talks to `python -m ufo_rl.reward.verifier` in JSON lines and owns the deadline.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import re
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# Importing sympy takes a second, on a busy machine many; beyond this the installation is broken.
START_LIMIT_S = 120.0

# Address space. An ordinary child has 0.07 GiB; a question that wants thirty times as much would not end in time either.
MEMORY_LIMIT_BYTES = 2 << 30

# An expression of numbers and operators only.
PLAIN = re.compile(r"[\d\s.,+*/^()\u00d7\u00f7-]+")

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True)
class Verdict:
    """`equal` is false whenever `reason` is not empty: `unparsed: ...`, `timeout: ...` or `crash: ...`. `method` is what
    decided: `formula` (ours) or `math_verify`."""

    equal: bool
    reason: str = ""
    method: str = "math_verify"


class Verifier:
    """Answers "are these two answers the same mathematics?" within `time_limit_s` seconds each. Thread-safe.

    The child starts with the first question and ends with this object, at exit, or with the parent. A child that died
    by itself is replaced and asked once more, since Linux also ends it with the thread that happened to start it.
    """

    def __init__(self, time_limit_s: float) -> None:
        self.time_limit_s = time_limit_s
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def verify(self, gold: str, answer: str) -> Verdict:
        """Never raises for what the texts hold; RuntimeError when the child cannot be started at all."""
        with self._lock:
            verdict = self._ask(gold, answer)
            if verdict.reason.startswith("crash"):
                verdict = self._ask(gold, answer)
            return verdict

    def close(self) -> None:
        """Ends the child; the next question starts a new one."""
        with self._lock:
            self._replace()

    def _replace(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ask(self, gold: str, answer: str) -> Verdict:
        if self._child is None or not self._child.is_alive:
            self._replace()
            self._child = _Child()
        try:
            reply = self._child.ask({"gold": gold, "answer": answer}, self.time_limit_s)
        except TimeoutError:
            self._replace()
            return Verdict(False, f"timeout: no verdict within {self.time_limit_s:g} s")
        except EOFError:
            status = self._child.end()
            self._child = None
            return Verdict(False, f"crash: the verifier ended with status {status}")
        return Verdict(reply["equal"], reply["reason"], reply["method"])


class _Child:
    """One running child and the two ends of its pipes."""

    def __init__(self) -> None:
        package_home = str(Path(__file__).resolve().parents[2])
        search_path = os.pathsep.join(filter(None, [package_home, os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ufo_rl.reward.verifier", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.end = weakref.finalize(self, _end, self.process)
        self._received = b""
        try:
            hello = self._read(START_LIMIT_S)
        except (EOFError, TimeoutError):
            hello = {"error": f"no sign of life within {START_LIMIT_S:g} s, or an early end"}
        if "error" in hello:
            self.end()
            raise RuntimeError(f"the math-verify child process does not start: {hello['error']}")

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, question: dict[str, str], limit_s: float) -> dict[str, Any]:
        """TimeoutError after `limit_s` seconds; EOFError when the child has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as err:
            raise EOFError from err
        return self._read(limit_s)

    def _read(self, limit_s: float) -> dict[str, Any]:
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


def _end(process: subprocess.Popen[bytes]) -> int:
    """Kills the child, waits for it, closes the pipes; returns its exit status."""
    process.kill()
    status = process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):  # a question that the child never read
            pipe.close()
    return status


def main(parent: int) -> None:
    """The child: one JSON question a line on stdin, one JSON verdict a line on stdout, until stdin ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not look like a verdict
    logging.disable(logging.CRITICAL)
    _limit(parent)
    try:
        judge = _judge()
    except ImportError as err:
        _send(replies, {"error": str(err)})
        return
    _send(replies, {"ready": True})
    for line in sys.stdin:
        question = json.loads(line)
        verdict = judge(question["gold"], question["answer"])
        _send(replies, {"equal": verdict.equal, "reason": verdict.reason, "method": verdict.method})


def _send(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")


def _limit(parent: int) -> None:
    """Bounds the memory, writes no core files and, on Linux, dies with the parent even inside a C call."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent ended before the request to die with it")


def _judge() -> Callable[[str, str], Verdict]:
    """Our own comparison, and math-verify where that does not decide, as a function (gold, answer) -> Verdict; imported and
    warmed up here."""
    from ufo_rl.reward.compare import same
    from ufo_rl.reward.normal import normalise

    math_verify = _math_verify()

    def judge(gold: str, answer: str) -> Verdict:
        verdict = same(gold, answer)
        return (
            math_verify(normalise(gold), normalise(answer)) if verdict is None else Verdict(verdict, method="formula")
        )

    judge(r"\frac{1}{2}", "0.5")
    return judge


def _math_verify() -> Callable[[str, str], Verdict]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    def parsed(text: str) -> list[Any]:
        # Delimited text is read as one expression; bare text would be searched for any number in it. For the same reason
        # the second reader, of plain sums such as `2**(1/4)`, sees nothing that holds a letter.
        readers = [LatexExtractionConfig(), ExprExtractionConfig()][: 2 if PLAIN.fullmatch(text) else 1]
        return parse("$" + " ".join(text.split()) + "$", readers, parsing_timeout=0)

    def judge(gold: str, answer: str) -> Verdict:
        reference, candidate = parsed(gold), parsed(answer)
        if verify(reference, candidate, timeout_seconds=0):
            return Verdict(True)
        for what, found in (("reference", reference), ("answer", candidate)):
            if all(isinstance(item, str) for item in found):
                return Verdict(False, f"unparsed: math-verify cannot read the {what}")
        return Verdict(False)

    judge(r"\frac{1}{2}", "0.5")
    return judge


if __name__ == "__main__":
    main(int(sys.argv[1]))
