"""Signal stores: measurements of prompts by a model, kept in append-only chunks and shared by all runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from ufo_rl.files.atomic import LOCK, read_json, write_json, write_table, writing
from ufo_rl.files.keys import digest

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them
SMALL, MANY = 20_000, 8  # rows of a chunk, and chunks, that are worth joining
KEY = "key"  # column of the row keys: hash of rendered prompt and target


class Store:
    """One folder per signal and settings; a row is found by its key, never by the pool it came from."""

    def __init__(self, folder: Path, key: str, identity: dict[str, Any]) -> None:
        self.folder, self.key, self.identity = folder, key, identity

    @classmethod
    def of(cls, root: Path, signal: str, identity: dict[str, Any]) -> Store:
        """The store of a signal (or a benchmark's completions) under these settings, there or not."""
        whole = {"signal": signal, **identity}
        key = digest(whole)
        return cls(root / f"{signal}-{key}", key, whole)

    @classmethod
    def at(cls, folder: Path) -> Store:
        """The store in an existing folder: what a rank opens to publish into."""
        return cls(folder, folder.name.rsplit("-", 1)[-1], {})

    @property
    def lock_path(self) -> Path:
        return self.folder / LOCK

    def create(self, columns: Sequence[str] = ()) -> None:
        """Make the folder and write down what its key stands for, and which columns every row must have."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "identity.json").exists():
            write_json(self.folder / "identity.json", self.identity)
        if columns:
            write_json(self.folder / "columns.json", list(columns))

    def promised(self) -> frozenset[str]:
        """The columns that every row must have: without one of them it would count as measured and never be read."""
        path = self.folder / "columns.json"
        return frozenset(read_json(path)) if path.is_file() else frozenset()

    def keys(self) -> set[str]:
        """The keys of all stored rows."""
        return {key for table in self._tables([KEY]) for key in table[KEY].to_pylist()}

    def read(self, keys: Iterable[str] | None, columns: Sequence[str]) -> pa.Table:
        """The stored rows among `keys`, in the order of `keys` (None: all, in any order), with the key and those of the
        named columns that the store has."""
        wanted = None if keys is None else pa.array(keys, pa.string())
        parts = self._tables([KEY, *columns], wanted)
        if not parts:
            return pa.table({name: pa.array([], pa.string()) for name in [KEY, *columns]})
        found = pa.concat_tables(parts, promote_options="permissive")
        if wanted is None:
            return found
        del parts
        return found.take(pc.drop_null(pc.index_in(wanted, value_set=found[KEY].combine_chunks())))

    def _tables(self, columns: Sequence[str], wanted: pa.Array | None = None) -> list[pa.Table]:
        """The rows among `wanted` with those of the columns that each chunk has. Another job may join chunks while this
        one reads: then again."""
        while True:
            try:
                tables = (_read(chunk, columns) for chunk in self._chunks())
                return [t if wanted is None else t.filter(pc.is_in(t[KEY], value_set=wanted)) for t in tables]
            except FileNotFoundError:
                continue

    def publish(self, rows: list[dict[str, Any]]) -> None:
        """Add a chunk: whole or absent."""
        if rows:
            write_table(self.folder / f"chunk-{uuid.uuid4().hex}.parquet", pa.Table.from_pylist(rows))

    def compact(self) -> None:
        """Join small chunks into one; a kill in between leaves rows twice, which does no harm. Only under the lock."""
        small = [chunk for chunk in self._chunks() if pq.read_metadata(chunk).num_rows < SMALL]
        if len(small) < MANY:
            return
        schema = pa.unify_schemas([pq.read_schema(chunk) for chunk in small], promote_options="permissive")
        path = self.folder / f"chunk-{uuid.uuid4().hex}.parquet"
        with writing(path) as joined, pq.ParquetWriter(joined, schema) as writer:
            for tables in _groups(_read(chunk, schema.names) for chunk in small):
                whole = pa.concat_tables([schema.empty_table(), *tables], promote_options="permissive")
                writer.write_table(whole.select(schema.names))
        for chunk in small:
            chunk.unlink()

    def _chunks(self) -> list[Path]:
        return sorted(self.folder.glob("chunk-*.parquet"))


def _read(chunk: Path, columns: Sequence[str]) -> pa.Table:
    """Those of the columns that the chunk has. Not by `read_table`: its read-ahead takes a hundred MiB for a few."""
    with pq.ParquetFile(chunk) as file:
        return file.read([name for name in columns if name in file.schema_arrow.names], use_threads=False)


def _groups(tables: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    """The tables in groups of about SMALL rows: no more are in memory at a time."""
    group: list[pa.Table] = []
    for table in tables:
        group.append(table)
        if sum(map(len, group)) >= SMALL:
            yield group
            group = []
    if group:
        yield group


def sample_key(row_key: str, sample: int) -> str:
    """The key of one sample of a row: K of them make a pass rate."""
    return f"{row_key}-{sample}"


def total(table: pa.Table, column: str) -> Any:
    """Sum of a column; 0 where it is missing or empty."""
    return (pc.sum(table[column]).as_py() or 0) if column in table.column_names else 0
