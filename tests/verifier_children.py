"""The child processes of the grader of mathematics, for tests that end them."""

from __future__ import annotations

import os
import time

from ufo_rl.grader.math.process.verifier import Verifier


def pids(verifier: Verifier) -> list[int]:
    """The children that are alive, busy or free."""
    return [child.process.pid for child in verifier.children if child is not None and child.is_alive]


def ends_within(pid: int, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
