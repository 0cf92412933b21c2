"""Training on completions that do not come from the model: drawn by prompt, set and place in the group, so that how a step is
split over passes and ranks changes no token. The rank's half, and how a test asks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.config.schema import Train
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.launch.stages import Stages
from ufo_rl.model.template import messages
from ufo_rl.model.weights import load_tokenizer, packaged
from ufo_rl.reward.parts import Part
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.grpo import prepare_process_group

LAB = packaged("package:lab/tiny")
LONGEST = 12  # tokens of a completion


@dataclass(frozen=True)
class FixedRequest:
    """dead: ids of the prompts whose completions all get the same reward. out: folder of what is found."""

    train: Train
    deepspeed: dict[str, Any] | None
    ids: list[str]
    dead: list[str]
    out: Path


def run(folder: Path, ids: list[str], dead: list[str], zero: str, num_ranks: int, *words: str) -> dict[str, Any]:
    """Train by ranks: rewards and gradient norm by step, probe log-probabilities by step, the change of all weights."""
    (job,) = compose_jobs(
        ["model=tiny", f"deepspeed={zero}", f"launch.num_ranks={num_ranks}", "launch.threads_per_rank=1", *words]
    )
    config = load(job.plain)
    folder.mkdir(parents=True)
    stages = Stages(folder, config.launch)
    stages.spool("train", [{"id": one} for one in ids])
    request = FixedRequest(config.train, config.deepspeed.config, ids, dead, folder)
    stages.run("train", "tests.fixed_rollouts.train_fixed", request, "any")
    found = json.loads((folder / "found.json").read_text())
    change = _weights(folder / "policy") - _weights(LAB)
    return {**found, **load_file(folder / "found.safetensors"), "change": change}


def train_fixed(request: FixedRequest, context: RankContext) -> dict[str, Any]:
    """The rank function."""
    prepare_process_group(context.place, request.deepspeed)
    tokenizer = load_tokenizer(LAB)
    (job,) = compose_jobs(["model=tiny"])
    template = load(job.plain).template
    rows = [{"id": one, "prompt": messages(template, f"{one}+1=?", True), "answer": "2"} for one in request.ids]

    def reward(id: list[str], completion_ids: list[list[int]]) -> list[float]:
        return [0.25 if one in request.dead else sum(ids) % 5 / 4 for one, ids in zip(id, completion_ids, strict=True)]

    arguments = grpo_arguments(request.train, request.deepspeed, 0, request.out / "work", True, [1.0])
    trainer = make_trainer(arguments, rows, LAB, tokenizer, [Part("planted", 1.0, reward)], TrainerCallback())
    trainer.drops_dead = request.train.dead_groups == "drop"
    watcher = _Watcher(trainer, tokenizer)
    trainer.add_callback(watcher)
    _plant(trainer, watcher)
    trainer.train()
    trainer.save_model(str(request.out / "policy"))
    trainer.accelerator.wait_for_everyone()
    if context.place.is_first:
        save_file({"probes": torch.stack(watcher.probes)}, request.out / "found.safetensors")
        lines = [line for line in trainer.state.log_history if "grad_norm" in line]
        found = {"rewards": watcher.rewards, "grad_norm": [line["grad_norm"] for line in lines]}
        (request.out / "found.json").write_text(json.dumps(found))
    return {}


def _weights(folder: Path) -> torch.Tensor:
    found = load_file(folder / "model.safetensors")
    return torch.cat([found[name].double().flatten() for name in sorted(found) if name != "lm_head.weight"])  # tied


def _plant(trainer: Any, watcher: _Watcher) -> None:
    """Completions by prompt id, number of the set, and place in the group."""
    take, score, sets = trainer.feed.take, trainer._calculate_rewards, list[list[str]]()

    def taken() -> Any:
        rows = take()
        sets.append([row["id"] for row in rows for _ in range(trainer.num_generations)])
        return rows

    def drawn(prompt_ids: list[list[int]], *_: Any) -> tuple[list[list[int]], None]:
        start = trainer.accelerator.process_index * len(prompt_ids)
        made = []
        for row in range(start, start + len(prompt_ids)):
            place = row % trainer.num_generations
            generator = np.random.default_rng([len(sets), int(sets[-1][row]), place])
            made.append(generator.integers(5, 30, generator.integers(1, LONGEST)).tolist())
        return made, None

    def scored(*given: Any) -> torch.Tensor:
        found = score(*given)
        watcher.rewards.append(found[:, 0].tolist())
        return found

    trainer.feed.take, trainer._generate_single_turn, trainer._calculate_rewards = taken, drawn, scored


class _Watcher(TrainerCallback):
    """Log-probabilities of fixed texts after each step, by the model as it is trained."""

    def __init__(self, trainer: Any, tokenizer: Any) -> None:
        self.trainer, self.rewards, self.probes = trainer, list[list[float]](), list[torch.Tensor]()
        texts = ["12+3-4=11", "7+5=12", "30-8=22"]
        self.rows = [torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]]) for text in texts]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        found = []
        with torch.no_grad():
            for row in self.rows:
                logprobs = self.trainer.model_wrapped(input_ids=row).logits[0, :-1].log_softmax(-1)
                found.append(logprobs.gather(1, row[0, 1:, None])[:, 0].double())
        self.probes.append(torch.cat(found))
