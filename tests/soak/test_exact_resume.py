"""A training that was killed, or asked to end, and goes on is the one that was never stopped: prompts, rewards, gradients,
weights."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Ufo, family
from tests.waiting import BACKSTOP_S, wait_until
from ufo_rl.files.journal import parse

pytestmark = pytest.mark.soak
# 20 prompts, 8 completions each, 4 prompts a set of completions: an epoch has 5 sets
SIZE = ("train.num_train_epochs=2", "train.rollouts_every=4", "tracker=off")
WHOLE = ("dataset.num_prompts=20", "selector=full")
HALF = ("dataset.num_prompts=40", "selector=ufo", "ratio=50pct")
CASES = {
    "plain": ("train.max_steps=10", "train.per_device_train_batch_size=32", *WHOLE),
    "two passes": ("train.max_steps=20", "train.per_device_train_batch_size=32", "train.num_iterations=2", *WHOLE),
    "accumulated": (
        "train.max_steps=20",
        "train.per_device_train_batch_size=8",
        "train.gradient_accumulation_steps=2",
        "train.trl.steps_per_generation=4",
        *WHOLE,
    ),
    "two ranks": (
        "train.max_steps=10",
        "train.per_device_train_batch_size=16",
        "launch.num_ranks=2",
        "deepspeed=zero2",
        *WHOLE,
    ),
    "adapter": ("train.max_steps=10", "train.per_device_train_batch_size=32", "train.lora.rank=4", *WHOLE),
    "two ranks, adapter": (
        "train.max_steps=10",
        "train.per_device_train_batch_size=16",
        "train.lora.rank=4",
        "launch.num_ranks=2",
        "deepspeed=zero2",
        *WHOLE,
    ),
    "rescore, adapter": (
        "train.max_steps=10",
        "train.per_device_train_batch_size=32",
        "train.lora.rank=4",
        "refresh=rescore",
        "refresh.every=2",
        *HALF,
    ),
    "rescore": (
        "train.max_steps=10",
        "train.per_device_train_batch_size=32",
        "refresh=rescore",
        "refresh.every=2",
        *HALF,
    ),
    "posterior": (
        "reward=random",
        "train.max_steps=10",
        "train.per_device_train_batch_size=32",
        "refresh=posterior",
        "refresh.every=2",
        *HALF,
    ),
    "two ranks, rescore": (
        "train.max_steps=10",
        "train.per_device_train_batch_size=16",
        "launch.num_ranks=2",
        "deepspeed=zero3",
        "refresh=rescore",
        "refresh.every=4",
        *HALF,
    ),
    "two ranks, posterior": (
        "train.max_steps=10",
        "train.per_device_train_batch_size=16",
        "launch.num_ranks=2",
        "deepspeed=zero3",
        "refresh=posterior",
        "refresh.every=3",
        *HALF,
    ),
}
OFF = ("deepspeed=off",)
NUMBERS = (
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "completions/mean_length",
    "grad_norm",
    "epoch",
    "num_tokens",
)


def words_of(case: str) -> tuple[str, ...]:
    return (*SIZE, *CASES[case], *(() if "ranks" in case else OFF))


def lines(journal: Path, event: str) -> list[dict[str, Any]]:
    return [one for one in parse(journal.read_bytes()) if one["stage"] == "train" and one["event"] == event]


def stopped(ufo: Ufo, name: str, words: tuple[str, ...], after: int, number: signal.Signals) -> Path:
    """Start a run and end it by a signal once it has told of the step `after`; the run folder."""
    mark = uuid.uuid4().hex
    process = ufo.start(*ufo.SMALL, *words, f"name={name}", UFO_TEST=mark)
    deadline = time.monotonic() + BACKSTOP_S
    journal = None
    while time.monotonic() < deadline:
        journal = next(iter(ufo.folder.glob(f"outputs/runs/{name}/*/metrics.jsonl")), None)
        if journal is not None and max((one["step"] for one in lines(journal, "metrics")), default=0) >= after:
            break
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    assert journal is not None
    if number == signal.SIGKILL:
        for pid in family(mark):
            os.kill(pid, number)
    else:
        process.send_signal(number)
    output, _ = process.communicate(timeout=BACKSTOP_S)
    assert number == signal.SIGKILL or process.returncode == 130, output
    assert wait_until(lambda: not family(mark))
    assert not (journal.parent / "train").exists(), "it had ended before the signal"
    return journal.parent


def chosen(folder: Path) -> list[dict[str, Any]]:
    """The refreshes of a run; of one that was made again the last."""
    found = {one["number"]: one for one in lines(folder / "metrics.jsonl", "refresh")}
    return [found[number] for number in sorted(found)]


def weights(folder: Path) -> torch.Tensor:
    found = load_file(folder / "train/policy/model.safetensors")
    return torch.cat([found[name].flatten().double() for name in sorted(found)])


def check_same(whole: Path, other: Path, limit: float) -> None:
    assert json.loads((other / "train/manifest.json").read_text())["resumed"]
    for event in ("metrics", "groups"):
        expected, found = ({one["step"]: one for one in lines(run / "metrics.jsonl", event)} for run in (whole, other))
        assert found.keys() == expected.keys()
        for step, line in expected.items():
            for name in ("ids", "rewards", "dead", "tokens") if event == "groups" else NUMBERS:
                if isinstance(line.get(name), float):
                    assert found[step][name] == pytest.approx(line[name], rel=1e-4, abs=1e-6), (step, name)
                else:  # of completions TRL tells once, in the first step that uses them
                    assert found[step].get(name) == line.get(name), (step, name)
    moved = [[(one["entered"], one["left"]) for one in chosen(run)] for run in (whole, other)]
    assert moved[0] == moved[1]
    for name in ("generated_tokens", "steps", "num_trained"):
        one, two = (json.loads((run / "train/manifest.json").read_text())[name] for run in (whole, other))
        assert one == two and one > 0, name
    kept = [sorted(path.name for path in (run / "train/rollouts").iterdir()) for run in (whole, other)]
    assert kept[0] == kept[1] and len(kept[0]) > 2
    assert (weights(whole) - weights(other)).abs().max() <= limit


def run_whole(ufo: Ufo, words: tuple[str, ...]) -> Path:
    ufo.run(*ufo.SMALL, *words, "name=whole")
    (folder,) = ufo.folder.glob("outputs/runs/whole/*")
    groups = lines(folder / "metrics.jsonl", "groups")
    assert (
        len({tuple(line["ids"]) for line in groups}) == len(groups) == 10
    )  # two epochs, each with an order of its own
    if any(word.startswith("refresh=") for word in words):
        assert len(chosen(folder)) >= 2 and any(one["entered"] for one in chosen(folder))
    return folder


@pytest.mark.parametrize("case", CASES)
def test_killed_and_gone_on_is_never_stopped(ufo: Ufo, case: str) -> None:
    """Killed in the first epoch, and in the second."""
    words = (*words_of(case), "train.save_steps=3")
    whole = run_whole(ufo, words)
    for after in (5, 8) if "train.max_steps=10" in CASES[case] else (8, 17):
        killed = stopped(ufo, f"killed{after}", words, after, signal.SIGKILL)
        ufo.run(*ufo.SMALL, *words, f"name=killed{after}")
        check_same(whole, killed, 1e-4 if "ranks" in case else 1e-6)


@pytest.mark.parametrize("case", CASES)
def test_asked_to_end_it_saves_first_and_repeats_no_step(ufo: Ufo, case: str) -> None:
    words = (*words_of(case), "train.save_steps=null")
    whole = run_whole(ufo, words)
    ended = stopped(ufo, "ended", words, 2, signal.SIGTERM)
    assert json.loads((ended / "status.json").read_text())["state"] == "interrupted"
    before = [one["step"] for one in lines(ended / "metrics.jsonl", "metrics")]
    ufo.run(*ufo.SMALL, *words, "name=ended")
    after = [one["step"] for one in lines(ended / "metrics.jsonl", "metrics")]
    assert before == after[: len(before)] and set(Counter(after).values()) == {1}, (before, after)
    check_same(whole, ended, 1e-4 if "ranks" in case else 1e-6)
