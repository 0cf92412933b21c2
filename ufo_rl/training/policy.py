"""Training, the parent's half: the selection as rows, and the policy published once for exactly this input."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.config.identity import grader_settings
from ufo_rl.config.schema import Config, Seam, Train
from ufo_rl.files.atomic import manifest, publish
from ufo_rl.files.keys import digest
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.records import Prompt
from ufo_rl.reward.columns import row_of
from ufo_rl.training.step import step_in_words

log = logging.getLogger(__name__)
NODES = ("template", "grader", "reward", "train", "deepspeed", "seed")  # of the configuration: what a policy depends on


def checkpoint_every(save_steps: int, num_steps: int) -> int:
    """Steps between checkpoints: as asked; a third of the training where that is never reached before its end."""
    return save_steps if save_steps < num_steps else math.ceil(num_steps / 3)


@dataclass(frozen=True)
class TrainRequest:
    """What a rank is asked: the policy into the folder `policy`, checkpoints into `checkpoints`. date: see `fix_date`."""

    model: Path
    rewards: dict[str, Seam]
    grader: Seam
    plugins: list[str]
    train: Train
    date: str
    deepspeed: dict[str, Any] | None
    seed: int
    checkpoints: Path
    policy: Path


class PolicyTraining:
    """GRPO on selected prompts. nodes: the plain configuration nodes of NODES by name."""

    def __init__(self, config: Config, nodes: dict[str, Any], chat: ChatModel, stages: Stages) -> None:
        self.config, self.nodes, self.chat, self.stages = config, nodes, chat, stages

    def run(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """Train on the prompts unless that is done; returns the policy's manifest."""
        folder = self.stages.folder / "train"
        rows = [row_of(prompt, self.chat.messages(prompt)) for prompt in prompts]
        date = [] if self.chat.date is None else [self.chat.date]  # TRL renders the prompts
        nodes = {**self.nodes, "grader": grader_settings(self.nodes["grader"], self.config.plugins)}
        key = digest([rows, self.chat.id, [nodes[name] for name in NODES], self.config.launch.num_ranks, *date])
        self.stages.asks("train", key)
        done = manifest(folder)
        if done is not None and done["key"] == key:
            log.info("training: %d steps (done before)", done["steps"])
            return done
        # a folder a key: a training does not go on from the checkpoints of another selection
        work = self.stages.folder / ".work" / f"train-{key}"
        log.info("training on %d prompts", len(rows))
        self._tell_of_checkpoints(len(rows))
        with publish(folder) as (temporary, content):
            self.stages.spool("train", rows)
            request = self._request(work, temporary / "policy")
            rank = "ufo_rl.training.rank.train_policy"
            result = self.stages.run("train", rank, request, key, in_words=step_in_words)[0]
            content |= {**result, "key": key}
        shutil.rmtree(work, ignore_errors=True)
        return content

    def _tell_of_checkpoints(self, num_prompts: int) -> None:
        train = self.config.train
        steps = train.num_steps(num_prompts, self.config.launch.num_ranks)
        if train.save_steps is not None and train.save_steps >= steps:
            every = checkpoint_every(train.save_steps, steps)
            log.info("train.save_steps=%d is not below %d steps: a checkpoint every %d", train.save_steps, steps, every)

    def _request(self, checkpoints: Path, policy: Path) -> TrainRequest:
        config = self.config
        return TrainRequest(
            model=self.chat.folder,
            rewards=config.reward.parts,
            grader=config.grader,
            plugins=config.plugins,
            train=config.train,
            date=config.model.date,
            deepspeed=config.deepspeed.config,
            seed=config.seed,
            checkpoints=checkpoints,
            policy=policy,
        )
