"""Signal `pass_rate`: the stored samples of a pool, and how they become pass rates."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from ufo_rl.files.store import KEY, Store, sample_key
from ufo_rl.launch.publish import SignalRow
from ufo_rl.records import Reference
from ufo_rl.signals.pass_rate.draws import Verdicts, num_needed
from ufo_rl.signals.pass_rate.rollouts import Rollouts
from ufo_rl.signals.protocol import Plan, Subject


class Samples:
    """The samples of one pool; how many a prompt gets depends, in adaptive mode, on those that are stored."""

    def __init__(
        self, subject: Subject, num_samples: int, interest: Sequence[float] | None, rollouts: Rollouts | None
    ) -> None:
        """interest: see `num_needed`. rollouts: finished completions in place of sampling."""
        self.subject, self.num_samples, self.interest, self.rollouts = subject, num_samples, interest, rollouts
        self._row_keys: list[str] = []

    def stored(self, store: Store) -> Mapping[str, bool]:
        rows = store.read(None, ("correct",))
        return dict(zip(rows[KEY].to_pylist(), rows["correct"].to_pylist(), strict=True))

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        keys = []
        for row in self._rows():
            keys.append(row.key)
            own = self._verdicts(row.key, stored)
            if None in own[: num_needed(own, self.interest)]:
                texts = self.rollouts.completions[row.id] if self.rollouts else []
                yield {**asdict(row), "verdicts": own, "completions": texts[: len(own)]}, own.count(None)
        self._row_keys = keys  # prompts are rendered once

    def plan(self, store: Store) -> Plan:
        self._row_keys = self._row_keys or [row.key for row in self._rows()]
        stored = self.stored(store) if self.interest else {}
        counts = [num_needed(self._verdicts(key, stored), self.interest) for key in self._row_keys]
        keys = [sample_key(key, k) for key, count in zip(self._row_keys, counts, strict=True) for k in range(count)]
        return Plan(keys, functools.partial(_rates, np.array(counts)))

    def references(self, store: Store) -> dict[str, Reference]:
        """The reference of every sample of the pool that the store lacks, by the sample's key."""
        stored = self.stored(store)
        keys = ((sample_key(row.key, k), row.reference) for row in self._rows() for k in range(self.num_samples))
        return {key: reference for key, reference in keys if key not in stored}

    def _rows(self) -> Iterator[SignalRow]:
        for prompt in self.subject.prompts:
            text = self.subject.chat.render(prompt)
            columns = {name: prompt.columns[name] for name in self.subject.grader_columns}
            yield SignalRow.of(prompt.id, text, len(text), prompt.answer, columns)

    def _verdicts(self, row_key: str, stored: Mapping[str, bool]) -> Verdicts:
        return [stored.get(sample_key(row_key, k)) for k in range(self.num_samples)]


def _rates(counts: np.ndarray, found: pa.Table) -> dict[str, np.ndarray]:
    """Pass rates from `counts` samples of each prompt, in the order of the pool."""
    correct = np.add.reduceat(found["correct"].to_numpy().astype(np.int64), np.cumsum(counts) - counts)
    return {"pass_rate": correct / counts, "samples": counts}
