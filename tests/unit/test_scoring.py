"""What the scoring stage publishes: one row a prompt, its share of the time, and no number that is none."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ufo_rl.records import UserError
from ufo_rl.scoring import Row, score
from ufo_rl.store import SignalStore

ROWS = [Row.of(f"id{i}", f"text {i}", 0, "gold") for i in range(6)]


@dataclass(frozen=True)
class Number:
    mean_logprob: float


def store(folder: Path) -> SignalStore:
    made = SignalStore(folder, "confidence", {})
    made.create()
    return made


def test_the_seconds_of_a_pool_add_up_to_the_wall_time(tmp_path: Path) -> None:
    """Two ranks side by side, a batch of 0.2 s each after 0.5 s of loading: 0.7 s of wall time, not 1.4."""

    def measure(rows: Sequence[Row]) -> Iterator[list[tuple[int, Number]]]:
        time.sleep(0.2)
        yield [(i, Number(-1.0)) for i in range(len(rows))]

    target = store(tmp_path)
    for share in (ROWS[:3], ROWS[3:]):
        assert score(share, measure, target, lambda done, total: None, startup_seconds=0.5, num_ranks=2) == 3
    stored = target.read([row.key for row in ROWS], ["seconds"])
    assert sum(row["seconds"] for row in stored.values()) == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_number_that_is_none_is_refused(tmp_path: Path, bad: float) -> None:
    def measure(rows: Sequence[Row]) -> Iterator[list[tuple[int, Number]]]:
        yield [(0, Number(-1.0)), (1, Number(bad))]

    with pytest.raises(UserError, match=r"mean_logprob of prompt id1 is .*dtype=float32"):
        score(ROWS, measure, store(tmp_path), lambda done, total: None)
    assert not list(tmp_path.rglob("chunk-*"))
