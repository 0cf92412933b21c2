"""Stage 1, `score`: measure a signal for the rows that the store lacks, and publish them in chunks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ufo_rl.keys import digest
from ufo_rl.records import UserError
from ufo_rl.store import KEY, SignalStore

PUBLISH_EVERY_S = 10.0  # what a kill can cost at most


@dataclass(frozen=True)
class Row:
    """One prompt to measure: the rendered text; for a teacher-forced target also where it begins (characters)."""

    key: str
    id: str
    text: str
    target_start: int
    gold: str

    @classmethod
    def of(cls, prompt_id: str, text: str, target_start: int, gold: str) -> Row:
        return cls(digest([text, target_start, gold]), prompt_id, text, target_start, gold)


def score(
    rows: Sequence[Row],
    measure: Callable[[Sequence[Row]], Iterable[list[tuple[int, Any]]]],
    store: SignalStore,
    progress: Callable[[int, int], None],
    startup_seconds: float = 0.0,
    num_ranks: int = 1,
) -> int:
    """Measure `rows` and publish the measurements; returns how many.

    `measure` yields batches of (index, record). A row's columns are the fields of the record plus key, id and
    seconds: its share of its batch's wall time and of `startup_seconds` (start and loading, before this call), divided
    by the ranks that work beside each other, so that the sum over a pool is the wall time of measuring it.
    """
    pending: list[dict[str, Any]] = []
    done, began, last_publish = 0, time.perf_counter(), time.perf_counter()
    for batch in measure(rows):
        now = time.perf_counter()
        seconds = ((now - began) / len(batch) + startup_seconds / len(rows)) / num_ranks
        for i, measured in batch:
            record = {KEY: rows[i].key, "id": rows[i].id, **asdict(measured), "seconds": seconds}
            _refuse_not_finite(record)
            pending.append(record)
        began, done = now, done + len(batch)
        if now - last_publish >= PUBLISH_EVERY_S:
            store.publish(pending)
            pending, last_publish = [], now
        progress(done, len(rows))
    store.publish(pending)
    return done


def _refuse_not_finite(record: dict[str, Any]) -> None:
    bad = [name for name, value in record.items() if isinstance(value, float) and not math.isfinite(value)]
    if bad:
        raise UserError(
            f"{bad[0]} of prompt {record['id']} is {record[bad[0]]}: the model's arithmetic overflows or its weights are "
            "damaged; try signal.confidence.dtype=float32 (or model.dtype=float32)"
        )
