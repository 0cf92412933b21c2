"""The child processes of the grader of mathematics, for tests that end them."""

from __future__ import annotations

from tests.waiting import wait_until
from ufo_rl.grader.math.process.verifier import Verifier
from ufo_rl.launch.worker import is_alive


def pids(verifier: Verifier) -> list[int]:
    """The children that are alive, busy or free."""
    return [child.process.pid for child in verifier.children if child is not None and child.is_alive]


def ends(pid: int) -> bool:
    return wait_until(lambda: not is_alive(pid))
