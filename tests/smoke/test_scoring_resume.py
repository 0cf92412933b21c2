"""Scoring that is killed, grown or asked for twice measures every prompt once."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

import ufo_rl
from tests.conftest import Ufo, family
from tests.scoring_only import collect, rows_in_chunks
from tests.waiting import BACKSTOP_S
from ufo_rl.selector.band import Band
from ufo_rl.selector.cut import select
from ufo_rl.selector.extreme import Extreme
from ufo_rl.selector.ufo import Ufo as UfoSelector

pytestmark = [pytest.mark.smoke, pytest.mark.soak]
ROOT = Path(ufo_rl.__file__).resolve().parents[1]
NUM_ROWS, NUM_KILLS = 7473, 10
POOL = ("model=tiny", "dataset.levels=[2,3,4,5,6]", "launch.threads_per_rank=1")
# one row at a time, and long ones: slow enough to be killed in
SLOW = ("signal.confidence.batch_size=1", "template=r1")


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    """Scoring in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scoring_only", *POOL, *overrides],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    )


def num_progress(folder: Path) -> int:
    return sum(path.read_text().count('"done"') for path in folder.glob("outputs/runs/dev/*/metrics.jsonl"))


def test_kills_repeat_no_published_row_and_a_grown_pool_adds_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pick, rows, outputs = random.Random(0), f"dataset.num_prompts={NUM_ROWS}", tmp_path / "outputs"
    for _ in range(NUM_KILLS):
        published, told = len(rows_in_chunks(outputs)), num_progress(tmp_path)
        process = start(tmp_path, *SLOW, rows)
        while num_progress(tmp_path) == told:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        time.sleep(pick.uniform(0, 2.5))
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        said = re.findall(r"confidence: measuring (\d+) of 7473 prompts", output)
        assert said == [str(NUM_ROWS - published)]  # what was published is not measured again
        time.sleep(1.5)  # the ranks notice
    survived = len(rows_in_chunks(outputs))
    assert 0 < survived < NUM_ROWS
    account, broken = collect([*POOL, *SLOW, rows])
    assert (account["num_scored"], account["num_cached"]) == (NUM_ROWS - survived, survived)
    keys = rows_in_chunks(outputs)
    assert len(keys) == len(set(keys)) == NUM_ROWS

    _, unbroken = collect([*POOL, SLOW[1], rows, "paths.outputs=unbroken"])
    assert (broken["id"] == unbroken["id"]).all()
    assert np.abs(broken["confidence"] - unbroken["confidence"]).max() < 1e-5
    for selector in (UfoSelector("mean", "confidence"), Extreme(False), Band(0.2, 0.4)):
        one, other = (select(columns, selector, 0.1, seed=0) for columns in (broken, unbroken))
        assert len(set(one.ids) - set(other.ids)) <= other.near_cut < 0.01 * NUM_ROWS

    account, _ = collect([*POOL, SLOW[1], f"dataset.num_prompts={NUM_ROWS + 1000}"])
    assert (account["num_scored"], account["num_cached"]) == (1000, NUM_ROWS)


def test_two_jobs_started_together_score_once(tmp_path: Path) -> None:
    jobs = [start(tmp_path, *SLOW, "dataset.num_prompts=600", f"seed={seed}") for seed in (0, 1)]
    said = [job.communicate(timeout=3 * BACKSTOP_S)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    text = "".join(said)
    assert text.count("measuring 600 of 600") == 1 and text.count("all 600 prompts are stored") == 1
    assert len(rows_in_chunks(tmp_path / "outputs")) == 600


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_ctrl_c_ends_scoring_and_keeps_what_is_published(ufo: Ufo, num_ranks: int) -> None:
    mark, outputs = uuid.uuid4().hex, ufo.folder / "outputs"
    overrides = (*POOL, *SLOW, f"dataset.num_prompts={NUM_ROWS}", f"launch.num_ranks={num_ranks}")
    process = ufo.start(*ufo.SMALL, *overrides, "train.per_device_train_batch_size=8", UFO_TEST=mark)
    while not rows_in_chunks(outputs):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    published = set(rows_in_chunks(outputs))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=BACKSTOP_S)
    assert process.returncode == 130 and not family(mark), output
    assert "Traceback" not in output and "the same command goes on" in output
    keys = rows_in_chunks(outputs)
    assert published <= set(keys) and len(keys) == len(set(keys)) < NUM_ROWS
