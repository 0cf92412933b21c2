"""Measurements on their way from a rank into a store: published in chunks as they come, each with its share of the time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from ufo_rl.errors import UserError, nearest
from ufo_rl.files.keys import digest
from ufo_rl.files.store import KEY, Store
from ufo_rl.records import Reference

PUBLISH_EVERY_S = 2.0  # a kill costs the batch that is computed, and at most this much work finished before it
PUBLISH_ROWS = 20_000  # what is held in memory at most


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One prompt to measure: the rendered text; for a teacher-forced target also where it begins (characters). `columns`
    are those of the dataset that its grader reads."""

    key: str
    id: str
    text: str
    target_start: int
    gold: str
    columns: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls, prompt_id: str, text: str, target_start: int, gold: str, columns: Mapping[str, Any] | None = None
    ) -> SignalRow:
        """The row with the key of its contents."""
        more = dict(columns or {})
        key = digest([text, target_start, gold, *([more] if more else [])])
        return cls(key, prompt_id, text, target_start, gold, more)

    @property
    def reference(self) -> Reference:
        return Reference(self.gold, self.columns)


Batch = list[tuple[SignalRow, dict[str, Any]]]


def publish(
    batches: Iterable[Batch],
    store: Store,
    num_rows: int,
    startup_seconds: float = 0.0,
    num_ranks: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Publish the measurements as they come; returns how many came. `num_rows` is what `progress` counts to.

    A batch is what became finished together. A row's columns are those of its measurement plus key, id and its times.
    device_seconds is its share of its batch's wall time, in the first batch of `startup_seconds` too (start and loading,
    before this call): by generated tokens, equal where none are. startup_device_seconds is how much of that is start-up.
    seconds and startup_seconds are these divided by the ranks that work beside each other, so that the sum over a pool is
    the wall time of measuring it.
    """
    promised = store.promised()
    pending: list[dict[str, Any]] = []
    last_publish = time.perf_counter()
    done, began, startup = 0, last_publish, startup_seconds
    for batch in batches:
        now = time.perf_counter()
        weights = [measured.get("generated_tokens") or 1 for _, measured in batch]
        spent, loading = (now - began + startup) / sum(weights), startup / sum(weights)
        rates = {"device_seconds": spent, "seconds": spent / num_ranks}
        rates |= {"startup_device_seconds": loading, "startup_seconds": loading / num_ranks}
        for (row, measured), weight in zip(batch, weights, strict=True):
            times = {name: weight * rate for name, rate in rates.items()}
            record = {KEY: row.key, "id": row.id, **measured, **times}
            _refuse_incomplete(record, promised)
            _refuse_not_finite(record)
            pending.append(record)
        began, done, startup = now, done + len(batch), 0.0
        if now - last_publish >= PUBLISH_EVERY_S or len(pending) >= PUBLISH_ROWS:
            store.publish(pending)
            pending, last_publish = [], now
        if progress is not None:
            progress(done, num_rows)
    store.publish(pending)
    return done


def _refuse_incomplete(record: dict[str, Any], promised: frozenset[str]) -> None:
    if absent := sorted(promised - record.keys()):
        raise UserError(
            f"the measurement of prompt {record['id']} lacks {', '.join(absent)}{nearest(absent[0], record)}; the rank "
            f"function must publish what is both in the signal's `stored` and its `columns`: {', '.join(sorted(promised))}"
        )


def _refuse_not_finite(record: dict[str, Any]) -> None:
    bad = [name for name, value in record.items() if isinstance(value, Real) and not math.isfinite(value)]
    if bad:
        raise UserError(
            f"{bad[0]} of prompt {record['id']} is {record[bad[0]]}, no measurement; where a model computes it, its "
            "arithmetic overflows or its weights are damaged: try model.dtype=float32 (for confidence alone: "
            "signal.confidence.dtype=float32)"
        )
