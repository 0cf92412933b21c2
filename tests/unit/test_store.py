"""A signal store: rows by key, small chunks joined without a loss."""

from __future__ import annotations

import threading
from pathlib import Path

from ufo_rl.files.store import MANY, Store


def filled(folder: Path, num_chunks: int) -> Store:
    """Two rows a chunk; every second chunk has a column more and a value that is missing."""
    store = Store.of(folder, "pass_rate", {"model": "m"})
    store.create()
    for i in range(num_chunks):
        more = {"device_seconds": float(i)} if i % 2 else {}
        truncated = None if i % 2 else True
        store.publish([{"key": f"{i}-{k}", "id": f"id{i}", "truncated": truncated, **more} for k in range(2)])
    return store


def test_joining_chunks_changes_no_row(tmp_path: Path) -> None:
    store = filled(tmp_path, MANY)
    keys = sorted(store.keys())
    before = store.read(keys, ("id", "truncated", "device_seconds")).to_pylist()
    assert len(before) == 2 * MANY and len(list(store.folder.glob("chunk-*"))) == MANY
    store.compact()
    assert len(list(store.folder.glob("chunk-*"))) == 1
    assert store.read(keys, ("id", "truncated", "device_seconds")).to_pylist() == before


def test_reading_goes_on_while_another_job_joins_chunks(tmp_path: Path) -> None:
    store = filled(tmp_path, MANY)
    keys = sorted(store.keys())
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            for i in range(MANY):
                store.publish([{"key": f"more-{i}", "id": "x"}])
            store.compact()

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        assert all(len(store.read(keys, ("id",))) == 2 * MANY for _ in range(100))
    finally:
        stop.set()
        writer.join()


def test_rows_come_in_the_order_that_was_asked_for_and_unknown_ones_are_left_out(tmp_path: Path) -> None:
    store = filled(tmp_path, 2)
    assert store.read(["1-1", "none", "0-0"], ("id",)).to_pylist() == [
        {"key": "1-1", "id": "id1"},
        {"key": "0-0", "id": "id0"},
    ]
    assert len(store.read(None, ("id",))) == 4
