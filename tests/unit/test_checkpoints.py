"""Which checkpoint an interrupted training goes on from, and what is read from its log."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ufo_rl.training.sound import OURS, last_checkpoint
from ufo_rl.training.watcher import Watcher


def test_the_newest_whole_checkpoint_and_no_torso(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, is_whole in ((2, True), (10, True), (12, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"")
        if is_whole:
            (folder / OURS).write_text("{}")
        (folder / "trainer_state.json").write_text("{}")  # transformers', which other ranks' parts may follow
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"  # by number, not by text
    assert not (tmp_path / "checkpoint-12").exists()


def test_the_journal_gets_metrics_by_their_names_and_of_the_closing_line_what_no_other_has_told() -> None:
    told: list[dict[str, Any]] = []
    watcher = Watcher(lambda event, **values: told.append({"event": event, **values}))
    state = SimpleNamespace(global_step=3, max_steps=3)
    watcher.on_log(None, state, None, {"train_runtime": 5.0, "train_loss": 0.1})
    assert told == []
    watcher.on_log(None, state, None, {"step": 0.5, "stage": 0.25})
    assert told.pop(0) == {"event": "metrics", "step": 3, "metric/step": 0.5, "metric/stage": 0.25} and told.pop()
    watcher.on_log(None, state, None, {"train_runtime": 5.0, "train_loss": 0.1, "completions/mean_length": 30.0})
    assert told == [
        {"event": "metrics", "step": 3, "completions/mean_length": 30.0},
        {"event": "progress", "done": 3, "total": 3, "unit": "steps"},
    ]
