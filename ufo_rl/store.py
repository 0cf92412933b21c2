"""Signal stores: measurements of prompts by a model, kept in append-only chunks and shared by all runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ufo_rl.artifacts import write_json, write_table
from ufo_rl.keys import digest

KEY = "key"  # column of the row keys: hash of rendered prompt and target


class SignalStore:
    """One folder per signal and settings; a row is found by its key, never by the pool it came from."""

    def __init__(self, root: Path, signal: str, identity: dict[str, Any]) -> None:
        self.key = digest({"signal": signal, **identity})
        self.folder = root / f"{signal}-{self.key}"
        self.identity = {"signal": signal, **identity}

    @classmethod
    def at(cls, folder: Path) -> SignalStore:
        """The store in an existing folder: what a rank opens to publish into."""
        store = cls.__new__(cls)
        store.folder, store.key, store.identity = folder, folder.name.rsplit("-", 1)[-1], {}
        return store

    @property
    def lock_path(self) -> Path:
        return self.folder / ".lock"

    def create(self) -> None:
        """Make the folder and write down what its key stands for."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "identity.json").exists():
            write_json(self.folder / "identity.json", self.identity)

    def read(self, keys: Iterable[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The stored rows among `keys`, by key, with the named columns."""
        wanted = set(keys)
        rows = {}
        for chunk in sorted(self.folder.glob("chunk-*.parquet")):
            for row in pq.read_table(chunk, columns=[KEY, *columns]).to_pylist():
                if row[KEY] in wanted:
                    rows[row[KEY]] = row
        return rows

    def missing(self, keys: Sequence[str]) -> list[str]:
        """The keys without a stored row, in their order."""
        stored = self.read(keys, [])
        return [key for key in keys if key not in stored]

    def publish(self, rows: list[dict[str, Any]]) -> None:
        """Add a chunk: whole or absent."""
        if rows:
            write_table(self.folder / f"chunk-{uuid.uuid4().hex}.parquet", pa.Table.from_pylist(rows))
