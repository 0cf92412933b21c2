"""What a log shows of a stage: a sign of life at once, the reward while it trains, a line a minute."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ufo_rl.launch import progress as module
from ufo_rl.launch.progress import Progress
from ufo_rl.training.step import step_in_words

STEP = {
    "event": "metrics",
    "step": 1,
    "loss": 0.0,
    "reward": 0.4375,
    "rewards/correctness/mean": 0.375,
    "rewards/correctness/std": 0.5,
    "rewards/format/mean": 0.125,
    "completions/mean_length": 33.6,
    "frac_reward_zero_std": 0.25,
}
IN_WORDS = "reward 0.438 (correctness 0.375, format 0.125), 34 tokens a completion, 25 % dead groups"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: False, raising=False)
    caplog.set_level(logging.INFO)
    return now


def done(number: int, total: int = 40) -> dict[str, Any]:
    return {"event": "progress", "done": number, "total": total, "unit": "steps"}


def test_a_step_in_words() -> None:
    assert step_in_words(STEP) == IN_WORDS
    assert step_in_words({"event": "metrics", "loss": 1.0}) == ""
    assert step_in_words({"reward": "nan", "rewards/a/mean": None}) == "reward nan"


def test_a_training_in_a_log(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress("train", step_in_words)
    progress.phase("starting 2 ranks")
    assert caplog.messages == ["train: starting 2 ranks"]
    clock[0] = 0.5
    progress.follow({"event": "phase", "words": "loading libraries"})  # followed by the next too soon to be told
    clock[0] = 20
    progress.follow({"event": "phase", "words": "first step"})
    clock[0] = 85
    progress.tick()
    for step in range(1, 41):
        clock[0] = 90 + 4 * step
        progress.tick()
        progress.follow(STEP)
        progress.follow(done(step))
    assert caplog.messages[1:3] == ["train: first step", "train: first step, 85 s after the start"]
    assert caplog.messages[3:] == [
        f"train: 1 of 40 steps; {IN_WORDS}",
        f"train: 16 of 40 steps, 0.25 a second, about 96 s left; {IN_WORDS}",
        f"train: 31 of 40 steps, 0.25 a second, about 36 s left; {IN_WORDS}",
        f"train: 40 of 40 steps, 0.25 a second; {IN_WORDS}",
    ]


def test_a_short_stage_is_one_line_and_a_resumed_one_is_not_faster_than_it_is(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    progress = Progress("score")
    progress.phase("starting 1 rank")
    progress.follow(done(1))
    progress.follow(done(40))
    assert caplog.messages == ["score: starting 1 rank"]
    progress = Progress("train")
    progress.follow(done(500, 600))  # of a checkpoint
    clock[0] = 100
    progress.follow(done(501, 600))
    assert caplog.messages[1:] == ["train: 501 of 600 steps, 0.01 a second, about 9900 s left"]
