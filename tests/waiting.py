"""Waits for what will come: soon, or on a machine with other things to do later. No test measures how soon."""

from __future__ import annotations

import time
from collections.abc import Callable

BACKSTOP_S = 600.0


def wait_until(is_so: Callable[[], object]) -> bool:
    """Whether it comes true."""
    deadline = time.monotonic() + BACKSTOP_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(is_so())
