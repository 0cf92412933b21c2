"""Seconds of a run from its journal, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ufo_rl.files.journal import Journal, number, seconds_spent


def line(time: float, attempt: int, stage: str, event: str, **values: Any) -> dict[str, Any]:
    return {"time": time, "attempt": attempt, "stage": stage, "event": event, **values}


def test_attempts_add_up_and_a_killed_one_counts_to_its_last_line() -> None:
    lines = [
        line(0, 1, "run", "begin"),
        line(2, 1, "score", "start", key="a"),
        line(5, 1, "score", "progress"),  # killed at some time after 5
        line(100, 2, "run", "begin"),
        line(101, 2, "score", "start", key="a"),
        line(104, 2, "score", "end"),
        line(105, 2, "score", "metrics"),  # the parent's account, after the stage
        line(106, 2, "train", "start", key="old"),
        line(116, 2, "train", "end"),
        line(200, 3, "run", "begin"),
        line(201, 3, "train", "start", key="new"),
        line(202, 3, "train", "metrics"),
        line(207, 3, "train", "end"),
    ]
    spent = seconds_spent(lines, now=210)
    assert spent.stages == {("score", "a"): 3 + 3, ("train", "old"): 10, ("train", "new"): 6}
    assert spent.total == 5 + 16 + 10


def test_a_stage_is_start_up_measuring_and_waiting() -> None:
    """Of all attempts, the killed one up to its last line; a stage that an earlier version began does not tell."""
    lines = [
        line(0, 1, "run", "begin"),
        line(1, 1, "score", "start", key="a", phase="startup"),
        line(3, 1, "score", "phase", phase="startup", words="loading the model"),
        line(7, 1, "score", "phase", phase="measuring", words="first batch"),
        line(8, 1, "score", "progress"),  # killed
        line(100, 2, "run", "begin"),
        line(101, 2, "score", "start", key="a", phase="startup"),
        line(103, 2, "score", "phase", phase="measuring", words=""),
        line(113, 2, "score", "phase", phase="waiting", words=""),
        line(114, 2, "score", "end"),
        line(120, 2, "train", "start", key="b"),
        line(130, 2, "train", "end"),
    ]
    spent = seconds_spent(lines, now=130)
    assert spent.phases[("score", "a")] == {"startup": 6 + 2, "measuring": 1 + 10, "waiting": 1}
    assert spent.stages == {("score", "a"): 7 + 13, ("train", "b"): 10}
    assert spent.phases[("train", "b")] is None


def test_no_lines_no_seconds() -> None:
    assert seconds_spent([], now=3.0).total == 0


def test_numbers_of_a_line_are_read_as_they_were_meant(tmp_path: Path) -> None:
    written = Journal(tmp_path / "metrics.jsonl", "train", 1).write("metrics", loss=math.nan, reward=-math.inf, step=3)
    assert [written[name] for name in ("loss", "reward")] == ["nan", "-inf"]
    found = [number(written[name]) for name in ("loss", "reward", "step", "stage")]
    assert math.isnan(found[0] or 0.0) and found[1:] == [-math.inf, 3.0, None]
    assert number(None) is None and number([1.0]) is None
