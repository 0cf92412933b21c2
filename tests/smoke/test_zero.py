"""ZeRO 1, 2 and 3 with two ranks follow plain data parallel training with the same two ranks and seed, in fp32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare
from ufo_rl.files.journal import parse
from ufo_rl.grader.math import MathGrader
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.template import messages, render
from ufo_rl.model.weights import load_model, load_tokenizer, packaged
from ufo_rl.reward.columns import row_of
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.parts import Part
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.spans import encode
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.policy import TrainRequest

pytestmark = pytest.mark.smoke
LAB = packaged("package:lab/tiny")
STAGES = ("off", "zero1", "zero2", "zero3")
RECORDER = """
import json, os
class Recorder:
    weight = 1.0
    def __init__(self, folder): self.folder = folder
    def __call__(self, completions, **_):
        with open(f"{self.folder}/rank-{os.environ['RANK']}.jsonl", "a") as stream:
            stream.write(json.dumps([chat[0]["content"] for chat in completions]) + chr(10))
        return [0.0] * len(completions)
"""


def train(tmp_path: Path, zero: str) -> dict[str, Any]:
    """Three steps of the training stage as the pipeline runs it; what was sampled, logged and learnt."""
    folder = tmp_path / zero
    folder.mkdir()
    (job,) = compose_jobs(
        [
            "model=tiny",
            f"deepspeed={zero}",
            "selector=full",
            "launch.num_ranks=2",
            "launch.threads_per_rank=1",
            "train.max_steps=3",
            "train.learning_rate=1e-3",
            "train.per_device_train_batch_size=32",
            "train.warmup_ratio=0.0",
            "train.save_steps=null",
            "dataset.num_prompts=48",
            "plugins=[probe_reward]",
            "+reward.parts.recorder._target_=probe_reward.Recorder",
            f"+reward.parts.recorder.folder={folder}",
        ]
    )
    config, tokenizer = load(job.plain), load_tokenizer(LAB)
    chat = ChatModel(config.model, config.template, folder / "fingerprints.json")
    rows = [row_of(prompt, chat.messages(prompt)) for prompt in prepare(config).pool.prompts]
    stages = Stages(folder, config.launch)
    stages.spool("train", rows)
    request = TrainRequest(
        model=chat.folder,
        rewards=config.reward.parts,
        grader=config.grader,
        plugins=config.plugins,
        train=config.train,
        date=config.model.date,
        deepspeed=config.deepspeed.config,
        seed=config.seed,
        checkpoints=folder / "work",
        policy=folder / "policy",
        chat_template=None,
        template=config.template,
        answer_form=chat.form,
    )
    stages.run("train", "ufo_rl.training.rank.train_policy", request, "any")
    lines = [line for line in parse((folder / "metrics.jsonl").read_bytes()) if line["event"] == "metrics"]
    heads = [render(tokenizer, row["prompt"]) + "<answer> " for row in rows[:16]]
    texts = [head + row["answer"] for head, row in zip(heads, rows, strict=False)]
    probe = encode(tokenizer, texts, [len(head) for head in heads])
    pad_id = tokenizer.pad_token_id
    return {
        "sampled": [path.read_text() for path in sorted(folder.glob("rank-*.jsonl"))],
        "lines": lines,
        "logprobs": TeacherForcing(load_model(folder / "policy", "float32", "cpu"), pad_id).whole(probe),
        "initial": TeacherForcing(load_model(LAB, "float32", "cpu"), pad_id).whole(probe),
    }


@pytest.mark.soak
def test_zero_follows_data_parallel_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "probe_reward.py").write_text(RECORDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    results = {zero: train(tmp_path, zero) for zero in STAGES}
    off = results["off"]
    assert len(off["sampled"]) == 2 and off["sampled"][0] != off["sampled"][1]
    assert all(len(json.loads(line)) == 32 for rank in off["sampled"] for line in rank.splitlines())
    assert len(off["lines"]) == 3 and all(line["frac_reward_zero_std"] < 1 for line in off["lines"])
    assert (off["logprobs"] - off["initial"]).abs().max() > 1e-2
    for zero in STAGES[1:]:
        assert results[zero]["sampled"] == off["sampled"], zero
        for mine, plain in zip(results[zero]["lines"], off["lines"], strict=True):
            assert mine["reward"] == pytest.approx(plain["reward"], rel=1e-3), zero
            assert mine["grad_norm"] == pytest.approx(plain["grad_norm"], rel=1e-3), zero
        assert (results[zero]["logprobs"] - off["logprobs"]).abs().max() < 1e-3, zero


def test_a_saved_policy_reloads_with_identical_logits(tmp_path: Path) -> None:
    (job,) = compose_jobs(
        [
            "model=tiny",
            "train.max_steps=2",
            "train.learning_rate=1e-3",
            "train.warmup_ratio=0.0",
            "train.per_device_train_batch_size=16",
        ]
    )
    config, tokenizer = load(job.plain), load_tokenizer(LAB)
    rows = [
        {"id": str(i), "prompt": messages(config.template, f"{i}+37-{i}+19-8=?", True), "answer": "48"}
        for i in range(8)
    ]
    arguments = grpo_arguments(config.train, None, 0, tmp_path / "work", True, [1.0])
    part = Part("correctness", 1.0, Correctness(1.0, MathGrader(5.0, 100)))
    trainer = make_trainer(arguments, rows, LAB, tokenizer, [part], TrainerCallback())
    trainer.train()
    trainer.save_model(str(tmp_path / "policy"))
    ids = tokenizer("12+3-4=?", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        in_memory = trainer.model.eval()(ids).logits
        assert torch.equal(load_model(tmp_path / "policy", "float32", "cpu")(ids).logits, in_memory)
        assert not torch.equal(load_model(LAB, "float32", "cpu")(ids).logits, in_memory)
