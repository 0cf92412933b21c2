"""math-verify as its README uses it, in processes of its own; the caller ends a process that exceeds the limit.

python bench/math_verify_alone.py       # a child: one JSON pair a line on stdin, one JSON verdict a line on stdout
"""

from __future__ import annotations

import contextlib
import json
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

WARM = ("x+1", r"hence \boxed{1+x}")
START_LIMIT_S = 120.0


def grade_all(pairs: Sequence[tuple[str, str]], num_processes: int, limit_s: float) -> tuple[list[bool], int, float]:
    """(verdicts in order, how many reached the limit, seconds) over pairs of gold and completion, in fresh, warm processes."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(pairs)):
        waiting.put(number)
    verdicts, late, ready = [False] * len(pairs), [], threading.Barrier(num_processes + 1)

    def work() -> None:
        child = _started()
        ready.wait()
        with contextlib.suppress(queue.Empty):
            while True:
                number = waiting.get_nowait()
                answer = _ask(child, pairs[number], limit_s)
                if answer is None:
                    late.append(number)
                    _end(child)
                    child = _started()
                verdicts[number] = answer is True
        _end(child)

    threads = [threading.Thread(target=work) for _ in range(num_processes)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return verdicts, len(late), time.perf_counter() - began


def _started() -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if _ask(child, WARM, START_LIMIT_S) is not True:
        raise RuntimeError("math-verify does not start")
    return child


def _ask(child: subprocess.Popen[str], pair: tuple[str, str], limit_s: float) -> bool | None:
    """None after a timeout or a death."""
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(json.dumps(pair) + "\n")
    child.stdin.flush()
    if not select.select([child.stdout], [], [], limit_s)[0]:
        return None
    line = child.stdout.readline()
    return json.loads(line) if line else None


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def _child() -> None:
    import logging

    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        gold, completion = json.loads(line)
        sys.stdout.write(json.dumps(bool(verify(parse(f"${gold}$"), parse(completion)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _child()
