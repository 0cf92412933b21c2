"""A training that ended as its policy was to be written: the next start writes it, and makes no step more."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.grader.math import MathGrader
from ufo_rl.launch.place import Place
from ufo_rl.model.template import messages
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.records import AnswerForm
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.parts import Part
from ufo_rl.training.grpo import train
from ufo_rl.training.policy import TrainRequest

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")
ENDS = {
    "steps that end within an epoch": ["train.max_steps=7"],
    "epochs that end within one": ["train.max_steps=null", "train.num_train_epochs=1.5"],
    "generated tokens": ["train.max_generated_tokens=1500"],
    "tokens, two passes": ["train.max_generated_tokens=1500", "train.num_iterations=2"],
    "seconds": ["train.max_seconds=1.5"],
}


@pytest.fixture(autouse=True)
def no_handler_stays() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def trained(folder: Path, policy: Path, words: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What training says of itself, and its journal. An epoch of eight prompts has four steps."""
    (job,) = compose_jobs(["model=tiny", "train.per_device_train_batch_size=16", "train.save_steps=50", *words])
    config, told = load(job.plain), list[dict[str, Any]]()
    rows = [
        {"id": str(i), "prompt": messages(config.template, f"{i}+7=?", True), "answer": str(i + 7)} for i in range(8)
    ]
    part = Part("correctness", 1.0, Correctness(1.0, MathGrader(5.0, 100)))
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    try:
        found = train(
            rows,
            TrainRequest(
                model=LAB,
                rewards={},
                grader={},
                plugins=[],
                train=config.train,
                date=config.model.date,
                deepspeed=None,
                seed=0,
                checkpoints=work,
                policy=policy,
                chat_template=None,
                template=config.template,
                answer_form=AnswerForm(),
            ),
            load_tokenizer(LAB),
            [part],
            Place(0, 1, "cpu"),
            lambda event, **line: told.append({"event": event, **line}),
        )
    except OSError:
        found = {}
    return found, [line for line in told if line["event"] == "groups"]


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_trained_again(tmp_path: Path, end: str) -> None:
    (tmp_path / "file").write_text("")
    lost, sets = trained(tmp_path, tmp_path / "file" / "policy", ENDS[end])
    assert not lost and sets
    (checkpoint,) = (tmp_path / "work").glob("checkpoint-*")
    found, again = trained(tmp_path, tmp_path / "policy", ENDS[end])
    assert again == [] and found["resumed"]
    assert f"checkpoint-{found['steps']}" == checkpoint.name
    if end.startswith(("steps", "epochs")):
        assert found["steps"] == (7 if end.startswith("steps") else 6)
    else:
        assert found["steps"] == len(sets) * (2 if "two" in end else 1)
    saved, policy = (load_file(one / "model.safetensors") for one in (checkpoint, tmp_path / "policy"))
    assert all(torch.equal(saved[name], policy[name]) for name in saved)
