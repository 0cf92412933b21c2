"""Refreshes by a policy that has mastered half of the pool: that half leaves the selection."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare
from ufo_rl.grader.math import MathGrader
from ufo_rl.launch.publish import SignalRow
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.template import render
from ufo_rl.model.weights import load_model, load_tokenizer, packaged
from ufo_rl.reward.columns import row_of
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.parts import Part
from ufo_rl.signals.confidence.target import scored_text
from ufo_rl.training.choosers import let_it_move
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.moving import Moving

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")
EVERY, STEPS = 4, 12
RATIO = 0.25


@pytest.fixture(scope="module")
def job() -> Any:
    words = ["model=tiny", "dataset.num_prompts=32", "selector=ufo", "selector.center=0.5", "ratio=50pct"]
    words += ["train.per_device_train_batch_size=64", f"train.max_steps={STEPS}", "train.learning_rate=1e-7"]
    words += ["refresh=rescore", f"refresh.every={EVERY}", "refresh.explore=0.25", "train.save_steps=null"]
    return compose_jobs(words)[0].plain


@pytest.fixture(scope="module")
def policy(job: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The lab's model, taught the answers of every other prompt by heart, and the prompts."""
    config, tokenizer = load(job), load_tokenizer(LAB)
    prompts = sorted(prepare(config).pool.prompts, key=lambda prompt: prompt.id)
    chat = ChatModel(config.model, config.template, tmp_path_factory.mktemp("memo") / "fingerprints.json")
    texts = [f"{render(tokenizer, chat.messages(one))}<answer> {one.answer}</answer>" for one in prompts[::2]]
    rows = tokenizer([f"{text}{tokenizer.eos_token}" for text in texts], return_tensors="pt", padding=True)
    labels = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)
    model = load_model(LAB, "float32", "cpu").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(200):
        loss = model(**rows, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("policy")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, prompts


@pytest.mark.parametrize("name", ["rescore", "posterior"])
def test_the_mastered_half_leaves_within_two_refreshes(
    name: str, job: Any, policy: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    """The first selection, of an older model say, is of mastered prompts alone, and what is stored of these says nothing."""
    folder, prompts = policy
    node = {**job["refresh"], "name": name, **({"memory": 0.5, "prior": 2.0} if name == "posterior" else {})}
    config, tokenizer = load({**job, "refresh": node}), load_tokenizer(folder)
    chat = ChatModel(config.model, config.template, tmp_path / "fingerprints.json")
    mastered, others = prompts[::2], prompts[1::2]

    def scored() -> list[SignalRow]:
        return [
            SignalRow.of(
                one.id, *scored_text("answer", render(tokenizer, chat.messages(one)), one, chat.form), one.answer
            )
            for one in prompts
        ]

    rows = [row_of(one, chat.messages(one)) for one in (*mastered, *others)]
    signal = config.signal["confidence"]
    assert build(signal, "signal.confidence").target == "answer"
    num_kept = int(len(prompts) * RATIO)
    ease = {one.id: 0.95 if one in mastered[num_kept:] else 0.5 for one in prompts}
    moving = Moving(config.refresh, others, ease, scored, config.selector, signal, RATIO)
    request = moving.request(num_kept, tmp_path / "pool.jsonl")
    arguments = grpo_arguments(config.train, None, 0, tmp_path / "work", True, [1.0])
    by_heart = {one.id for one in mastered}

    def planted(id: list[str]) -> list[float]:
        """What the half by heart earns, and a fair coin for the others: the lab's model knows few of them half the time."""
        coin = np.random.default_rng(len(told))
        return [1.0 if one in by_heart else float(coin.random() < 0.5) for one in id]

    graded = Correctness(1.0, MathGrader(5.0, 100))
    part = Part("correctness", 1.0, planted if name == "posterior" else graded)
    kept_rows, other_rows = rows[:num_kept], rows[num_kept:]
    told: list[dict[str, Any]] = []
    trainer = make_trainer(arguments, kept_rows, folder, tokenizer, [part], TrainerCallback(), (), other_rows)
    let_it_move(request, rows, trainer, [], 0, lambda event, **line: told.append({"event": event, **line}))
    trainer.tell = lambda event, **line: told.append({"event": event, **line})
    trainer.train()
    refreshes = [line for line in told if line["event"] == "refresh"]
    sets = [line for line in told if line["event"] == "groups"]
    assert [line["step"] for line in refreshes] == [5, 9] and len(sets) == STEPS
    for line in sets[:EVERY]:  # 8 prompts a set, two of them explored
        assert sum(one in by_heart for one in line["ids"]) >= 6
        known = [reward for one, reward in zip(line["ids"], line["rewards"], strict=True) if one in by_heart]
        assert fmean(known) > 0.85, known
    assert not by_heart & set(trainer.feed.kept), refreshes
    for line in sets[2 * EVERY :]:
        assert sum(one in by_heart for one in line["ids"]) <= 2
    if name == "rescore":
        assert refreshes[0]["refresh/left"] == num_kept and refreshes[0]["refresh/confidence"] < 0.9
