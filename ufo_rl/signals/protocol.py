"""What a signal is to the rest of the program.

A signal is a folder with two halves: what is asked and what it means (the parent's), and a function that measures (a
rank's). `signal.NAME` of the configuration names the first by `_target_`; that names the second by its dotted path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from ufo_rl.config.schema import EngineConfig, Seam
from ufo_rl.files.store import Store
from ufo_rl.launch.publish import SignalRow
from ufo_rl.model.chat import ChatModel
from ufo_rl.records import Prompt

# Columns of every store; those of start-up, which the others contain, not in rows of earlier versions.
TIMES = ("seconds", "device_seconds", "startup_seconds", "startup_device_seconds")


@dataclass(frozen=True)
class Subject:
    """What is measured: the prompts of a pool by a model, with all that a signal may depend on.

    dtype: the model's configured precision. grader: its YAML node, for a rank to build; grader_id: what its verdicts
    depend on; grader_columns: the dataset columns that it reads. plugins: packages that parts may come from.
    """

    prompts: Sequence[Prompt]
    chat: ChatModel
    dtype: str
    engine: EngineConfig
    template: Mapping[str, Any]
    grader: Seam
    grader_id: list[Any]
    grader_columns: tuple[str, ...]
    plugins: list[str]


@dataclass(frozen=True)
class SignalRequest:
    """What the ranks of a signal are asked, unless it has a request of its own. settings: the signal's YAML node."""

    model: Path
    dtype: str
    store: Path
    num_missing: int
    settings: dict[str, Any]


Values = Callable[[pa.Table], dict[str, np.ndarray]]  # stored rows to columns


@dataclass(frozen=True)
class Plan:
    """The stored rows that are a pool's values: their keys, in the order of the pool, and how they become columns."""

    keys: list[str]
    values: Values


class PoolRows(Protocol):
    """The rows of one pool for one signal."""

    def stored(self, store: Store) -> Mapping[str, bool]:
        """The keys of what is stored, of this pool and of others; of samples with their verdicts."""
        ...

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        """What the ranks must be given, a row at a time, and how many measurements each asks for at most."""
        ...

    def plan(self, store: Store) -> Plan:
        """What to read, as far as the store tells; where keys are absent the pool is not measured yet."""
        ...


class Signal(Protocol):
    """A signal as the configuration describes it.

    stage: its stage's name in the journal, in W&B and among the seconds. unit: what is counted, `prompts` or `samples`.
    rank: dotted path of the function that measures, (request, RankContext) -> dict with `peak_memory_gib` and facts for
    the cost record. columns: what selectors get of it, the measurement itself first. stored: columns of the store that
    `PoolRows.plan` needs besides key and times.

    It may also have: check(prompts), which raises UserError where the pool cannot be measured, before anything is; inputs(),
    the hash of files that it reads; request(subject, store folder, number missing), the frozen dataclass that its rank
    function takes in place of SignalRequest; take_over(subject, store), which publishes into the store what other stores
    already tell; owns_device(subject), whether each rank must see one GPU alone; facts, see
    `Fact`.
    """

    stage: ClassVar[str]
    unit: ClassVar[str]
    rank: ClassVar[str]
    stored: ClassVar[tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]: ...

    def identity(self, subject: Subject) -> dict[str, Any]:
        """Everything that the numbers depend on but the prompts themselves, values that JSON can hold."""
        ...

    def rows(self, subject: Subject) -> PoolRows: ...


class OneRowEach:
    """The usual `PoolRows`: one row a prompt. `make` renders them, `values` turns stored rows into columns."""

    def __init__(self, make: Callable[[], Iterator[SignalRow]], values: Values) -> None:
        self.make, self._values = make, values
        self._keys: list[str] = []

    def stored(self, store: Store) -> Mapping[str, bool]:
        return dict.fromkeys(store.keys(), True)

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        keys = []
        for row in self.make():
            keys.append(row.key)
            if row.key not in stored:
                yield asdict(row), 1
        self._keys = keys  # prompts are rendered once

    def plan(self, store: Store) -> Plan:
        self._keys = self._keys or [row.key for row in self.make()]
        return Plan(self._keys, self._values)
