"""Signs of life of the ranks of a stage, so that one that hangs is told from those that wait for it."""

from __future__ import annotations

import time
from pathlib import Path

NAME = "alive-{}"  # in the stage's work folder, by rank


class Signs:
    """A rank's: each sign says what it does now."""

    def __init__(self, work: Path, rank: int) -> None:
        self.path, self.count = work / NAME.format(rank), 0

    def give(self, words: str) -> None:
        self.count += 1
        self.path.write_text(f"{self.count} {words}")


class Watch:
    """The parent's: whether all ranks have been silent for `patience_s`. Clocks of different hosts are not compared: what
    counts is how long nothing has changed."""

    def __init__(self, work: Path, patience_s: float | None) -> None:
        self.work, self.patience_s = work, patience_s
        self.last, self.since = dict[int, str](), time.monotonic()
        for old in work.glob(NAME.format("*")):
            old.unlink()

    def problem(self) -> str:
        """Who hangs, in words; "" while somebody works, and in a stage whose ranks give no signs."""
        if self.patience_s is None:
            return ""
        now = {int(path.name.partition("-")[2]): path.read_text() for path in self.work.glob(NAME.format("*"))}
        if now != self.last or not now:
            self.last, self.since = now, time.monotonic()
        silent = time.monotonic() - self.since
        if silent < self.patience_s:
            return ""
        done = {
            rank: (int(count or 0), words) for rank, text in now.items() for count, _, words in [text.partition(" ")]
        }
        least = min(count for count, _ in done.values())
        hung = {rank: words for rank, (count, words) in sorted(done.items()) if count == least}
        waiting = sorted(set(done) - set(hung))
        told = ", ".join(f"rank {rank} ({words})" for rank, words in hung.items())
        waits = f"; {', '.join(f'rank {rank}' for rank in waiting)} waited for it" if waiting else ""
        return f"no sign of life for {silent:.0f} s (launch.hang_s): {told}{waits}"
