"""When a run counts as done: its files say so and are all there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ufo_rl.experiment.life import Status


def test_done_is_what_is_written_whole(tmp_path: Path) -> None:
    status = Status(tmp_path)
    assert not status.is_completed()
    status.write("completed", inputs="k")
    assert not status.is_completed("k")  # metrics.json is missing: it is not done
    (tmp_path / "metrics.json").write_text("{}")
    assert status.is_completed("k") and status.is_completed() and not status.is_completed("other")
    status.fail("reason")
    assert not status.is_completed() and status.error() == "reason"


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"state": "completed"}), json.dumps({"inputs": "k"})])
def test_a_broken_status_is_not_done(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "status.json").write_text(text)
    assert not Status(tmp_path).is_completed("k")
    assert Status(tmp_path).error() == "never started"


def test_a_failure_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Status(tmp_path / "file" / "run").fail("reason")
