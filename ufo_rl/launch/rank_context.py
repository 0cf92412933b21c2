"""What a rank function is given besides its request: its place, its rows, and where progress and results go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.files.journal import MEASURING, WAITING, Journal
from ufo_rl.files.store import Store
from ufo_rl.launch.place import Place
from ufo_rl.launch.publish import Batch, publish
from ufo_rl.launch.request import Request
from ufo_rl.launch.spool import Share, read_spool

PROGRESS_EVERY_S = 1.0
BLOCK_ROWS = 4096  # rows, or samples, in memory at a time


@dataclass(frozen=True)
class RankContext:
    """This process as one rank of a stage."""

    request: Request
    place: Place

    @property
    def journal(self) -> Journal:
        return Journal(self.request.journal, self.request.stage, self.request.attempt)

    def share(self) -> Share:
        """This rank's part of the stage's rows."""
        return Share(self.request.rows, self.place)

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the stage."""
        return read_spool(self.request.rows)

    def startup_seconds(self) -> float:
        """Wall seconds since the parent asked for the stage: start of the ranks and loading of the model. On another host
        than the parent's they are as right as the two clocks agree."""
        return max(0.0, time.time() - self.request.asked)

    def phase(self, phase: str, words: str = "") -> None:
        """See `Journal.phase`; the first rank speaks for all."""
        if self.place.is_first:
            self.journal.phase(phase, words)

    def progress(self, unit: str) -> Callable[[int, int], None]:
        """Progress of all ranks, estimated by the first: shares are equal. Throttled."""
        journal, last, place = self.journal, [0.0], self.place

        def progress(done: int, total: int) -> None:
            now = time.monotonic()
            if place.is_first and (now - last[0] >= PROGRESS_EVERY_S or done == total):
                last[0] = now
                journal.progress(done * place.world_size, total * place.world_size, unit)

        return progress

    def publish(
        self, batches: Iterable[Batch], store: Path, total: int, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Publish measurements into the store as they come; returns how many. `total` is what `progress` counts to. What came
        before this call is start-up."""
        startup = self.startup_seconds()
        self.phase(MEASURING, "first batch")
        count = publish(batches, Store.at(store), total, startup, self.place.world_size, progress)
        self.phase(WAITING)
        return count
