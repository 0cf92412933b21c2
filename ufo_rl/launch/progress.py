"""Progress of a stage: a bar in a terminal, a plain line a minute in a log."""

from __future__ import annotations

import logging
import sys
import time

from tqdm import tqdm

log = logging.getLogger(__name__)
LINE_EVERY_S = 60.0


class Progress:
    """Shows how far a stage is. The bar appears with the first update."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.bar: tqdm | None = None
        self.began = self.last_line = time.monotonic()

    def update(self, done: int, total: int | None, unit: str) -> None:
        """`total` is None where nobody knows it before the end."""
        if sys.stderr.isatty():
            if self.bar is None:
                self.bar = tqdm(total=total, desc=self.stage, unit=f" {unit}", leave=False, dynamic_ncols=True)
            self.bar.update((done if total is None else min(done, total)) - self.bar.n)
            return
        now = time.monotonic()
        if now - self.last_line >= LINE_EVERY_S:
            self.last_line = now
            rate = done / (now - self.began)
            if total is None:
                log.info("%s: %d %s, %.3g a second", self.stage, done, unit, rate)
                return
            left = (total - done) / rate if rate else 0
            log.info("%s: %d of %d %s, %.3g a second, about %.0f s left", self.stage, done, total, unit, rate, left)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
