"""What the scoring stage publishes: one row a prompt, its share of the time, and no number that is none."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ufo_rl.errors import UserError
from ufo_rl.files.store import Store
from ufo_rl.launch.publish import PUBLISH_EVERY_S, SignalRow, publish
from ufo_rl.signals.protocol import TIMES

ROWS = [SignalRow.of(f"id{i}", f"text {i}", 0, "gold") for i in range(6)]


def store(folder: Path) -> Store:
    made = Store.of(folder, "confidence", {})
    made.create()
    return made


def test_the_seconds_of_a_pool_add_up_to_the_wall_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ranks side by side, two batches of 0.2 s each after 0.5 s of loading: 0.9 s of wall time, not 1.8."""
    now = [100.0]
    monkeypatch.setattr("ufo_rl.launch.publish.time.perf_counter", lambda: now[0])

    def batches(rows: list[SignalRow]) -> Iterator[list[tuple[SignalRow, dict[str, float]]]]:
        for part in (rows[:1], rows[1:]):
            now[0] += 0.2
            yield [(row, {"mean_logprob": -1.0}) for row in part]

    target = store(tmp_path)
    for share in (ROWS[:3], ROWS[3:]):
        assert publish(batches(share), target, 3, startup_seconds=0.5, num_ranks=2) == 3
    spent = target.read([row.key for row in ROWS], TIMES)
    sums = {name: math.fsum(spent[name].to_pylist()) for name in TIMES}
    assert sums == pytest.approx(
        {"seconds": 0.9, "device_seconds": 1.8, "startup_seconds": 0.5, "startup_device_seconds": 1.0}
    )
    # the first batch of each rank alone holds the start
    assert spent["startup_device_seconds"].to_pylist() == pytest.approx([0.5, 0, 0, 0.5, 0, 0])


def test_a_batch_is_paid_by_generated_tokens(tmp_path: Path) -> None:
    """12 prompts, K = 16, in batches of 80 samples whose time has nothing to do with their tokens."""
    rng, began = random.Random(0), time.perf_counter()
    tokens = {SignalRow(f"{p}-{k}", str(p), "", 0, ""): rng.randint(1, 90) for p in range(12) for k in range(16)}
    rows, spent = list(tokens), []

    def batches() -> Iterator[list[tuple[SignalRow, dict[str, int]]]]:
        for start in range(0, len(rows), 80):
            before = time.perf_counter()
            time.sleep(rng.uniform(0.01, 0.1))
            batch = [(row, {"generated_tokens": tokens[row]}) for row in rows[start : start + 80]]
            spent.append(time.perf_counter() - before)
            yield batch

    target = store(tmp_path)
    publish(batches(), target, len(rows), num_ranks=1)
    wall = time.perf_counter() - began
    stored = target.read([row.key for row in rows], ["device_seconds"])["device_seconds"].to_pylist()
    assert 0.9 * sum(spent) <= math.fsum(stored) <= wall
    for start, seconds in zip(range(0, len(rows), 80), spent, strict=True):
        own = slice(start, start + 80)
        rates = [cost / tokens[row] for row, cost in zip(rows[own], stored[own], strict=True)]
        assert max(rates) == pytest.approx(min(rates), rel=1e-9)
        assert math.fsum(stored[own]) >= seconds
    # what K = 4 of the first batch's five prompts would have cost: their share of its tokens
    first, four = rows[:80], [i for i in range(80) if i % 16 < 4]
    share = sum(tokens[first[i]] for i in four) / sum(tokens[row] for row in first)
    assert math.fsum(stored[i] for i in four) == pytest.approx(share * math.fsum(stored[:80]), rel=1e-9)


def test_what_is_finished_is_published_at_once_when_its_time_has_come(tmp_path: Path) -> None:
    """A batch that took two seconds is in the store, whole, before the next begins."""
    target, seen = store(tmp_path), []

    def batches() -> Iterator[list[tuple[SignalRow, dict[str, float]]]]:
        time.sleep(PUBLISH_EVERY_S)
        yield [(row, {"mean_logprob": -1.0}) for row in ROWS[:4]]
        seen.append(target.keys())
        yield [(row, {"mean_logprob": -1.0}) for row in ROWS[4:]]

    publish(batches(), target, 6)
    assert seen == [{row.key for row in ROWS[:4]}]
    assert target.keys() == {row.key for row in ROWS}


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_number_that_is_none_is_refused(tmp_path: Path, bad: float) -> None:
    batches = [[(ROWS[0], {"mean_logprob": -1.0}), (ROWS[1], {"mean_logprob": bad})]]
    with pytest.raises(UserError, match=r"mean_logprob of prompt id1 is .*dtype=float32"):
        publish(batches, store(tmp_path), 6)
    assert not list(tmp_path.rglob("chunk-*"))


def test_a_measurement_without_a_promised_column_is_refused_before_it_is_stored(tmp_path: Path) -> None:
    """Stored, it would count as measured for ever, and could never be read."""
    target = store(tmp_path)
    target.create(("id", "digits"))
    with pytest.raises(UserError, match=r'of prompt id0 lacks digits; did you mean "digit"\?'):
        publish([[(ROWS[0], {"digit": 1})]], target, 1)
    assert target.keys() == set()
    assert publish([[(ROWS[0], {"digits": 1})]], target, 1) == 1
