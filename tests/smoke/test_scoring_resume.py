"""Scoring that is killed, grown or asked for twice measures every prompt once."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import Ufo
from ufo_rl.journal import parse

pytestmark = pytest.mark.smoke
NUM_ROWS, NUM_KILLS = 7473, int(os.environ.get("UFO_RL_KILLS", "3"))  # `make soak`: ten
# one long row at a time: slow enough to be killed in
SMALL = [a for a in Ufo.SMALL if not a.startswith(("dataset.", "train.max_steps"))]
COMMAND = (
    *SMALL,
    "dataset.levels=[2,3,4,5,6]",
    "selector=ufo",
    "ratio=10pct",
    "train.max_steps=1",
    "train.save_steps=null",
)
SLOW = ("signal.confidence.batch_size=1",)


def stored(outputs: Path) -> list[str]:
    """The key of every row in every chunk."""
    chunks = outputs.glob("cache/signals/confidence-*/chunk-*.parquet")
    return [key for chunk in chunks for key in pq.read_table(chunk, columns=["key"])["key"].to_pylist()]


def has_scored(outputs: Path, attempt: int) -> bool:
    """Whether the ranks of this attempt have told of measured rows."""
    lines = [line for path in outputs.glob("runs/dev/*/metrics.jsonl") for line in parse(path.read_bytes())]
    return any((x["stage"], x["event"], x["attempt"]) == ("score", "progress", attempt) for x in lines)


def scores(folder: Path) -> dict[str, tuple[float, bool]]:
    rows = pq.read_table(folder / "scores.parquet").to_pylist()
    return {row["id"]: (row["confidence"], row["kept"]) for row in rows}


def test_kills_repeat_no_published_row_and_a_grown_pool_adds_its_own(ufo: Ufo) -> None:
    pick = random.Random(0)
    rows = f"dataset.num_prompts={NUM_ROWS}"
    outputs = ufo.folder / "outputs"
    for attempt in range(1, NUM_KILLS + 1):
        before = len(stored(outputs))
        process = ufo.start(*COMMAND, *SLOW, rows)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not has_scored(outputs, attempt):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        time.sleep(pick.uniform(0, 2.5))
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        said = re.findall(r"confidence: measuring (\d+) of 7473 prompts", output)
        assert said == [str(NUM_ROWS - before)]  # what was published is not measured again
        time.sleep(1.5)  # the ranks notice
    survived = len(stored(outputs))
    assert 0 < survived < NUM_ROWS
    (broken,) = re.findall(r"run (/\S+)", output := ufo.run(*COMMAND, *SLOW, rows))
    assert f"confidence: measuring {NUM_ROWS - survived} of {NUM_ROWS} prompts" in output
    keys = stored(outputs)
    assert len(keys) == len(set(keys)) == NUM_ROWS

    whole = ufo.run(*COMMAND, rows, "paths.outputs=unbroken")
    (unbroken,) = re.findall(r"run (/\S+)", whole)
    one, other = scores(Path(broken)), scores(Path(unbroken))
    assert one.keys() == other.keys() and len(one) == NUM_ROWS
    assert np.abs([one[i][0] - other[i][0] for i in one]).max() < 1e-5
    mean = np.mean([s for s, _ in other.values()])
    cut = max(abs(s - mean) for s, kept in other.values() if kept)
    moved = [i for i in one if one[i][1] != other[i][1]]
    assert all(abs(abs(other[i][0] - mean) - cut) <= 1e-5 for i in moved)

    grown = ufo.run(*COMMAND, f"dataset.num_prompts={NUM_ROWS + 1000}")
    assert f"confidence: measuring 1000 of {NUM_ROWS + 1000} prompts" in grown


def test_two_jobs_started_together_score_once(ufo: Ufo) -> None:
    rows = "dataset.num_prompts=600"
    jobs = [ufo.start(*COMMAND, *SLOW, rows, f"seed={seed}") for seed in (0, 1)]
    said = [job.communicate(timeout=300)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    text = "".join(said)
    assert text.count("measuring 600 of 600") == 1 and text.count("all 600 prompts are stored") == 1
    assert len(stored(ufo.folder / "outputs")) == 600
