"""A rank that dies or hangs ends the training by its name; a fault of a reward or of the numbers is told as what it is."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from tests.conftest import Ufo, family
from tests.waiting import BACKSTOP_S, wait_until
from ufo_rl.files.journal import parse
from ufo_rl.launch.alive import Signs, Watch

pytestmark = pytest.mark.smoke
TWO = (
    "launch.num_ranks=2",
    "deepspeed=zero2",
    "train.per_device_train_batch_size=8",
    "selector=full",
    "train.max_steps=400",
)
HANGS = """
import os, time
def hangs(completions, trainer_state):
    while trainer_state.global_step == 2 and os.environ["RANK"] == "1":
        time.sleep(1)
    return [0.0] * len(completions)
def raises(completions, trainer_state):
    if trainer_state.global_step == 2:
        raise KeyError("no such answer")
    return [0.0] * len(completions)
"""


def with_reward(ufo: Ufo, name: str) -> tuple[str, ...]:
    (ufo.folder / "faulty.py").write_text(HANGS)
    return ("plugins=[faulty]", f"+reward.parts.mine._target_=faulty.{name}", "+reward.parts.mine.weight=1")


def test_a_watch_tells_the_rank_that_is_behind(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 0.05)
    assert watch.problem() == ""  # nobody has begun
    first, second = Signs(tmp_path, 0), Signs(tmp_path, 1)
    for words in ("generate, step 7", "reward, step 7"):
        first.give(words)
    second.give("generate, step 7")
    assert watch.problem() == ""
    assert wait_until(lambda: watch.problem() != "")
    told = watch.problem()
    assert told.startswith("no sign of life for ") and told.endswith("rank 1 (generate, step 7); rank 0 waited for it")
    second.give("reward, step 7")
    assert watch.problem() == ""
    assert (
        wait_until(lambda: watch.problem() != "")
        and "rank 0 (reward, step 7), rank 1 (reward, step 7)" in watch.problem()
    )
    assert Watch(tmp_path, None).problem() == "" and not list(tmp_path.iterdir())


@pytest.mark.soak
def test_a_rank_that_hangs_is_named(ufo: Ufo) -> None:
    said = ufo.run(*ufo.SMALL, *TWO, *with_reward(ufo, "hangs"), "launch.hang_s=8", status=1)
    assert "(launch.hang_s): rank 1 (reward, step 3); rank 0 waited for it" in said and "Traceback" not in said


@pytest.mark.soak
def test_a_rank_that_dies_is_named(ufo: Ufo) -> None:
    mark = uuid.uuid4().hex
    process = ufo.start(*ufo.SMALL, *TWO, UFO_TEST=mark)
    deadline = time.monotonic() + BACKSTOP_S
    journal = None
    while time.monotonic() < deadline:
        journal = next(iter(ufo.folder.glob("outputs/runs/dev/*/metrics.jsonl")), None)
        if journal and any(one["stage"] == "train" and one.get("step") == 3 for one in parse(journal.read_bytes())):
            break
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    assert journal is not None
    os.kill(max(family(mark)), signal.SIGKILL)  # the youngest: the second rank
    output, _ = process.communicate(timeout=BACKSTOP_S)
    assert process.returncode == 1 and "rank 1 was ended by SIGKILL" in output, output


def test_a_reward_that_raises_is_named(ufo: Ufo) -> None:
    said = ufo.run(*ufo.SMALL, *with_reward(ufo, "raises"), "train.max_steps=8", status=1)
    assert "reward.parts.mine raised KeyError: 'no such answer'" in said and "Traceback" not in said


def test_numbers_that_are_none_end_it_and_keep_the_checkpoint_before(ufo: Ufo) -> None:
    """Steps of 1e20 leave weights whose logits overflow."""
    words = ("train.max_steps=8", "train.save_steps=1", "train.learning_rate=1e20", "train.lr_scheduler_type=linear")
    said = ufo.run(*ufo.SMALL, *words, status=1)
    assert "not_a_number: the policy's probabilities are nan or inf; the checkpoint before is kept" in said
    (folder,) = ufo.folder.glob("outputs/runs/dev/*")
    rang = [one for one in parse((folder / "metrics.jsonl").read_bytes()) if one["event"] == "alarm"]
    assert [one["name"] for one in rang] == ["not_a_number"]
    assert json.loads((folder / "status.json").read_text())["state"] == "failed"
