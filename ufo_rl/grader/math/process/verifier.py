"""Comparisons in child processes that are killed and replaced when one question exceeds its time.

sympy can hang inside a single C call (a sum up to `9^{9^{9^9}}`), where neither signals nor threads help, and signals work
in the main thread only. So the parent talks to `python -m ufo_rl.grader.math.process.judge` in JSON lines. The limit is
CPU time of the child, kept by the system: a verdict must not depend on what else the machine computes. The parent keeps a
much longer backstop on the wall clock, for a child that waits; it sets no signal handler and works from any thread.
`pebble.ProcessPool` was tried in its place and left: it imports a script without a main guard again, refuses daemonic
processes, loses the question of a worker that something else killed, and leaves a worker inside a C call running when the
parent is killed.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ufo_rl.grader.math.process.child import OUT_OF_TIME, Child, Died
from ufo_rl.grader.math.process.verdict import Verdict

TRIES = 2  # a child that died of a question is replaced and asked once more
KILLED = (-signal.SIGKILL, -signal.SIGTERM)
MAX_KILLED = 20  # times that something else may kill a child in one question, before that is not chance any more
MAX_CHILDREN = 8


class Verifier:
    """Answers "are these two answers the same mathematics?" within `time_limit_s` seconds of CPU time each. Thread-safe.

    A question that has neither an answer nor used that time when the backstop on the wall clock comes is asked again, while
    no other is; if that ends the same, its reason is `stalled`.

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
        self.backstop_s = backstop(time_limit_s)
        self.relative_tolerance = relative_tolerance
        self.num_children = num_children or _share_of_cores()
        self.children: list[Child | None] = [None] * self.num_children
        self._free: queue.LifoQueue[int] = queue.LifoQueue()  # places in `children`; the last one used is asked next
        for place in range(self.num_children):
            self._free.put(place)
        self._alone = threading.Lock()

    def verify(self, gold: str, answer: str, is_ordered: bool = False) -> Verdict:
        """With `is_ordered` the items of lists must come in one order. Never raises for what the texts hold;
        RuntimeError when no child can be started at all."""
        settings = {"relative_tolerance": self.relative_tolerance, "is_ordered": is_ordered}
        question = {"gold": gold, "answer": answer, **settings}
        place = self._free.get()
        try:
            verdict = self._answer(place, question)
        finally:
            self._free.put(place)
        if verdict is None:
            with self._all_places() as places:
                verdict = self._answer(places[-1], question)
        return verdict or Verdict(
            False,
            f"stalled: twice no verdict within {self.backstop_s:g} s, though it used less than {self.time_limit_s:g} s of "
            "CPU time: it waits for something, or the machine is overloaded",
        )

    def _answer(self, place: int, question: dict[str, Any]) -> Verdict | None:
        """By the child at `place`, or by its successors where it dies; None where the backstop ended it."""
        num_killed = num_died = 0
        while True:
            try:
                return self._ask(place, question)
            except Died as death:
                is_killed = death.status in KILLED
                num_killed, num_died = num_killed + is_killed, num_died + (not is_killed)
                if num_killed < MAX_KILLED and num_died < TRIES:
                    continue
                if death.is_early:
                    raise RuntimeError(f"the child process of the grader does not start: {death}") from death
                return Verdict(False, f"crash: {death}")

    def start(self) -> None:
        """Starts a child before the first question; RuntimeError when it does not start."""
        place = self._free.get()
        try:
            self._alive(place).wait_until_ready()
        except Died as death:
            raise RuntimeError(f"the child process of the grader does not start: {death}") from death
        finally:
            self._free.put(place)

    def close(self) -> None:
        """Ends the children, each when it is free; the next question starts a new one."""
        with self._all_places() as places:
            for place in places:
                self._end(place)

    @contextmanager
    def _all_places(self) -> Iterator[list[int]]:
        """Every place, once the questions that are asked have their answers: nothing is asked meanwhile."""
        with self._alone:  # two that collected places at a time would wait for each other
            places = [self._free.get() for _ in range(self.num_children)]
            try:
                yield places
            finally:
                for place in places:
                    self._free.put(place)

    def _ask(self, place: int, question: dict[str, Any]) -> Verdict | None:
        """One try; None at the backstop. Raises Died."""
        child, half = self._alive(place), self.time_limit_s / 2
        child.send(question)
        try:
            verdict = child.reply(half)
            if verdict is None:  # its successor gets ready meanwhile, so that the next question need not wait for one
                self.children[place] = self._new_child()
                try:
                    verdict = child.reply(self.backstop_s - half)
                finally:
                    child.end()
        except Died as death:
            if death.status == OUT_OF_TIME:
                return Verdict(False, f"timeout: no verdict within {self.time_limit_s:g} s of CPU time")
            if death.status != -signal.SIGALRM:  # its own backstop: it goes on while a process is stopped
                raise
            verdict = None
        return verdict

    def _new_child(self) -> Child:
        return Child(self.time_limit_s, self.backstop_s, self.other)

    def _alive(self, place: int) -> Child:
        child = self.children[place]
        if child is None or not child.is_alive:
            self._end(place)
            self.children[place] = child = self._new_child()
        return child

    def _end(self, place: int) -> None:
        child, self.children[place] = self.children[place], None
        if child is not None:
            child.end()


def backstop(time_limit_s: float) -> float:
    """Wall-clock seconds after which a question counts as stalled. A child that shares its core with eleven others still
    gets its time."""
    return max(60.0, 12.0 * time_limit_s)


def _share_of_cores() -> int:
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MAX_CHILDREN, len(os.sched_getaffinity(0)) // ranks))
