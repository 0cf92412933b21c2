"""What the scoring stage publishes: one row a prompt, its share of the time, and no number that is none."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ufo_rl.records import UserError
from ufo_rl.scoring import Row, score
from ufo_rl.store import SignalStore

ROWS = [Row.of(f"id{i}", f"text {i}", 0, "gold") for i in range(6)]


def store(folder: Path) -> SignalStore:
    made = SignalStore(folder, "confidence", {})
    made.create()
    return made


def test_the_seconds_of_a_pool_add_up_to_the_wall_time(tmp_path: Path) -> None:
    """Two ranks side by side, a batch of 0.2 s each after 0.5 s of loading: 0.7 s of wall time, not 1.4."""

    def batches(rows: list[Row]) -> Iterator[list[tuple[Row, dict[str, float]]]]:
        time.sleep(0.2)
        yield [(row, {"mean_logprob": -1.0}) for row in rows]

    target = store(tmp_path)
    for share in (ROWS[:3], ROWS[3:]):
        assert score(batches(share), target, 3, startup_seconds=0.5, num_ranks=2) == 3
    stored = target.read([row.key for row in ROWS], ["seconds", "device_seconds"])
    assert sum(stored["seconds"].to_pylist()) == pytest.approx(0.7, abs=0.1)
    assert sum(stored["device_seconds"].to_pylist()) == pytest.approx(1.4, abs=0.2)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_number_that_is_none_is_refused(tmp_path: Path, bad: float) -> None:
    batches = [[(ROWS[0], {"mean_logprob": -1.0}), (ROWS[1], {"mean_logprob": bad})]]
    with pytest.raises(UserError, match=r"mean_logprob of prompt id1 is .*dtype=float32"):
        score(batches, store(tmp_path), 6)
    assert not list(tmp_path.rglob("chunk-*"))
