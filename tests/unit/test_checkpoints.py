"""Which checkpoint an interrupted training goes on from."""

from __future__ import annotations

from pathlib import Path

from ufo_rl.training.grpo import last_checkpoint


def test_the_newest_whole_checkpoint_and_no_torso(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step, is_whole in ((2, True), (10, True), (12, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"")
        if is_whole:
            (folder / "trainer_state.json").write_text("{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"  # by number, not by text
    assert not (tmp_path / "checkpoint-12").exists()
