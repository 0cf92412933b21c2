"""Progress of a stage: a bar in a terminal, a plain line a minute in a log, and signs of life before there is any."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)
LINE_EVERY_S = 60.0
BRIEF_S = 1.0  # what is over sooner is not worth a line


class Progress:
    """Shows how far a stage is. The bar appears with the first update. in_words: what is shown beside it of a line of
    metrics."""

    def __init__(self, stage: str, in_words: Callable[[dict[str, Any]], str] = lambda line: "") -> None:
        self.stage, self.in_words = stage, in_words
        self.bar: tqdm | None = None
        self.words = self.told = ""
        self.first: tuple[int, float] | None = None  # how much was done at the first update, and when that came
        self.began = self.last_line = time.monotonic()

    def follow(self, line: dict[str, Any]) -> None:
        """A line of the stage's journal."""
        if line["event"] == "progress":
            self.update(line["done"], line["total"], line["unit"])
        elif line["event"] == "phase":
            self.phase(line["words"])
        elif line["event"] == "alarm":
            log.warning("%s: step %d: %s: %s; %s", self.stage, line["step"], line["name"], line["words"], line["cure"])
        elif line["event"] == "metrics":
            self.told = self.in_words(line)

    def phase(self, words: str) -> None:
        """What the stage does before its first and after its last update. The first is told at once."""
        is_first, self.words = not self.words, words
        if words and (is_first or time.monotonic() - self.last_line >= BRIEF_S):
            self._line(words)

    def tick(self) -> None:
        """A line where nothing has been told for a minute, which a loading of large weights may take."""
        if self.words and time.monotonic() - self.last_line >= LINE_EVERY_S and not sys.stderr.isatty():
            self._line(f"{self.words}, {time.monotonic() - self.began:.0f} s after the start")

    def update(self, done: int, total: int | None, unit: str) -> None:
        """`total` is None where nobody knows it before the end."""
        if sys.stderr.isatty():
            if self.bar is None:  # a training may go on from a checkpoint
                about = {"desc": self.stage, "unit": f" {unit}", "initial": done}
                self.bar = tqdm(total=total, leave=False, dynamic_ncols=True, **about)
            self.bar.set_postfix_str(self.told, refresh=False)
            self.bar.update((done if total is None else min(done, total)) - self.bar.n)
            return
        now = time.monotonic()
        self.first = self.first or (done, now)
        # the first and the last step of a training say whether it learns
        if now - self.last_line >= LINE_EVERY_S or (self.told and (self.words or done == total)):
            said = f"{done} {unit}" if total is None else f"{done} of {total} {unit}"
            if done > self.first[0]:
                rate = (done - self.first[0]) / (now - self.first[1])
                said += f", {rate:.3g} a second"
                said += f", about {(total - done) / rate:.0f} s left" if total is not None and done < total else ""
            self._line("; ".join(filter(None, [said, self.told])))
        self.words = ""

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def _line(self, words: str) -> None:
        log.info("%s: %s", self.stage, words)
        self.last_line = time.monotonic()
