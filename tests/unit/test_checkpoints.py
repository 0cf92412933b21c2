"""Which checkpoint an interrupted training goes on from, and what is read from its history and its log."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.training.grpo import Watcher, generated_tokens, grpo_arguments, last_checkpoint


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


def lengths(*lines: tuple[int, float]) -> list[dict[str, Any]]:
    return [{"step": step, "completions/mean_length": length} for step, length in lines]


@pytest.mark.parametrize(
    ("overrides", "history", "tokens"),
    [
        # 64 completions a step: 64 x (10 + 20 + 30)
        ([], lengths((1, 10), (2, 20), (3, 30)), 3840),
        # lines of two steps, the last of one: 64 x (2 x 15 + 30); the closing line has the rest
        (["train.trl.logging_steps=2"], lengths((2, 15), (3, 30)), 3840),
        # every batch is used for two steps: 64 x (10 + 30)
        (["train.num_iterations=2"], [*lengths((1, 10)), {"step": 2}, *lengths((3, 30))], 2560),
        # one batch of 16 a backward pass, two passes a step: 2 x 16 x (10 + 20)
        (
            [
                "train.trl.steps_per_generation=1",
                "train.per_device_train_batch_size=16",
                "train.gradient_accumulation_steps=2",
            ],
            lengths((1, 10), (2, 20)),
            960,
        ),
    ],
)
def test_generated_tokens_count_the_batches_that_were_sampled(
    overrides: list[str], history: list[dict[str, Any]], tokens: int, tmp_path: Path
) -> None:
    (job,) = compose_jobs(overrides)
    arguments = grpo_arguments(load(job.plain).train, None, 0, tmp_path, True, [1.0])
    assert generated_tokens(history, arguments) == tokens


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
