"""The rows of a stage on disk: written by the parent as they come, read by the ranks in blocks, longest first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ufo_rl.files.atomic import writing
from ufo_rl.launch.place import Place

Item = TypeVar("Item")


def write_spool(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """One JSON object a line, never all in memory; returns how many."""
    count = 0
    with writing(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row) + "\n")
            count += 1
    return count


def read_spool(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Share:
    """This rank's part of the rows: dealt out by length, so that all parts cost the same."""

    def __init__(self, path: Path, ranks: Place) -> None:
        self.path = path
        with path.open("rb") as stream:
            lengths = np.fromiter((len(line) for line in stream), dtype=np.int64)
        offsets = np.concatenate([[0], lengths.cumsum()[:-1]]) if len(lengths) else lengths
        order = np.argsort(-lengths, kind="stable")[ranks.rank :: ranks.world_size]
        self.offsets, self.lengths = offsets[order], lengths[order]

    def __len__(self) -> int:
        return len(self.offsets)

    def blocks(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """Rows in blocks of `size`, the longest first."""
        with self.path.open("rb") as stream:
            for start in range(0, len(self), size):
                block = []
                for offset, length in zip(
                    self.offsets[start : start + size], self.lengths[start : start + size], strict=True
                ):
                    stream.seek(int(offset))
                    block.append(json.loads(stream.read(int(length))))
                yield block


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each prepared in a thread while the one before is worked on."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, iterator, end)
        while (item := waiting.result()) is not end:
            waiting = thread.submit(next, iterator, end)
            yield item  # pyright: ignore[reportReturnType]
