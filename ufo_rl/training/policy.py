"""Training, the parent's half: the selection as rows, and the policy published once for exactly this input."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ufo_rl.config.folder_facts import RECORD
from ufo_rl.config.identity import grader_settings
from ufo_rl.config.kinds import changes_no_result, stated
from ufo_rl.config.schema import Config, Rollout, Seam, Template, Train
from ufo_rl.files.atomic import manifest, publish, write_json
from ufo_rl.files.keys import digest
from ufo_rl.launch.request import module_of
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.weights import called
from ufo_rl.records import AnswerForm, Prompt
from ufo_rl.reward.columns import row_of
from ufo_rl.training.moving import Moving, MovingRequest
from ufo_rl.training.on_the_way import Evaluate, OnTheWay
from ufo_rl.training.step import step_in_words

log = logging.getLogger(__name__)
ADAPTER = "adapter"  # beside the policy
RANK = "ufo_rl.training.rank.train_policy"
NODES = ("template", "grader", "reward", "train", "deepspeed", "seed")  # of the configuration: what a policy depends on


def checkpoint_every(save_steps: float, num_steps: int) -> int:
    """Steps between checkpoints: as asked, below 1 as a share; a third of the training where that is never reached before its
    end."""
    if save_steps < 1:
        return math.ceil(save_steps * num_steps)
    return int(save_steps) if save_steps < num_steps else math.ceil(num_steps / 3)


@dataclass(frozen=True)
class TrainRequest:
    """What a rank is asked: the policy into the folder `policy`, checkpoints into `checkpoints`. date: see `fix_date`.
    chat_template: the text of one that stands in place of the model's. base: what an adapter calls the model. until: the step
    after which it pauses."""

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
    chat_template: str | None
    template: Template
    answer_form: AnswerForm
    moving: MovingRequest | None = None
    until: int | None = None
    rollout: Rollout = field(default_factory=Rollout)
    base: str = ""


def libraries(deepspeed: dict[str, Any] | None) -> list[str]:
    """The modules that a rank of training imports. DeepSpeed's last one it imports with its engine only."""
    return [module_of(RANK), *(["deepspeed", "deepspeed.runtime.zero.muon.muon_optimizer"] if deepspeed else [])]


class PolicyTraining:
    """GRPO on selected prompts. nodes: the plain configuration nodes of NODES by name."""

    def __init__(self, config: Config, nodes: dict[str, Any], chat: ChatModel, stages: Stages) -> None:
        self.config, self.nodes, self.chat, self.stages = config, nodes, chat, stages

    def run(self, prompts: Sequence[Prompt], evaluate: Evaluate, moving: Moving | None = None) -> dict[str, Any]:
        """Train on the prompts unless that is done; returns the policy's manifest. evaluate: how policies on the way are.
        moving: see there; with it the prompts are those of the first selection."""
        folder = self.stages.folder / "train"
        others = moving.prompts if moving else []
        rows = [row_of(prompt, self.chat.training_prompt(prompt)) for prompt in (*prompts, *others)]
        nodes = stated(Config, {name: self.nodes[name] for name in NODES})
        nodes["train"] = {key: value for key, value in nodes["train"].items() if key not in changes_no_result(Train)}
        begun = [self.chat.form.begun] if self.chat.form.begun else []
        date = [] if self.chat.date is None else [self.chat.date]  # TRL renders the prompts
        nodes["grader"] = grader_settings(self.nodes["grader"], self.config.plugins)
        named = [nodes[name] for name in NODES]
        moved = moving.key() if moving else []
        rolled = self._rolled()
        key = digest([rows, self.chat.id, named, self.config.launch.num_ranks, *begun, *date, *moved, *rolled])
        self.stages.asks("train", key)
        done = manifest(folder)
        if done is not None and done["key"] == key and (folder / "policy").is_dir():
            log.info("training: %d steps (done before)", done["steps"])
            return done
        # a folder a key: a training does not go on from the checkpoints of another selection
        work = self.stages.folder / ".work" / f"train-{key}"
        log.info("training on %d prompts", len(prompts))
        self._tell_of_adapters()
        self._tell_of_checkpoints(len(prompts))
        uses_vllm = self.config.rollout.name == "vllm_colocate"
        with publish(folder) as (temporary, content):
            self.stages.spool("train", rows)
            asked = moving.request(len(prompts), work / "pool.jsonl") if moving else None
            request = self._request(work, temporary / "policy", asked)

            def train(until: int | None) -> dict[str, Any]:
                part = replace(request, until=until)
                result = self.stages.run("train", RANK, part, key, in_words=step_in_words, forks=not uses_vllm)[0]
                for made in (request.policy, request.policy.with_name(ADAPTER)):
                    if made.is_dir():
                        write_json(made / RECORD, self._record())
                return result

            on_the_way = OnTheWay(self.config.train, work, evaluate)
            content |= {**on_the_way.train(train, request.policy), "key": key}
        shutil.rmtree(work, ignore_errors=True)
        return content

    def _rolled(self) -> list[dict[str, Any]]:
        """What of the rollouts the policy depends on: nothing for transformers' generate."""
        node = stated(Config, {"rollout": self.nodes.get("rollout", {})}).get("rollout", {})
        kept = {key: value for key, value in node.items() if key not in changes_no_result(Rollout)}
        return [kept] if kept else []

    def _tell_of_adapters(self) -> None:
        train = self.config.train
        if train.lora.rank is not None:
            words = "adapters of rank %d in the place of all weights: step size %g, %g times train.learning_rate"
            log.info(words, train.lora.rank, train.step_size, train.lora.learning_rate_factor)

    def _tell_of_checkpoints(self, num_prompts: int) -> None:
        train = self.config.train
        steps = train.num_steps(num_prompts, self.config.launch.num_ranks)
        if steps is not None and train.save_steps is not None and train.save_steps >= steps:
            every = checkpoint_every(train.save_steps, steps)
            log.info("train.save_steps=%g is not below %d steps: a checkpoint every %d", train.save_steps, steps, every)

    def _record(self) -> dict[str, Any]:
        """How the policy was asked: where it is a model.path, it is asked so again."""
        model, train = self.config.model, self.config.train
        own = {"name": model.name, "dtype": model.dtype, "max_completion_tokens": model.max_completion_tokens}
        return {"model": own, "template": self.nodes["template"], "train": train.name}

    def _request(self, checkpoints: Path, policy: Path, moving: MovingRequest | None) -> TrainRequest:
        config = self.config
        return TrainRequest(
            model=self.chat.folder,
            rewards=config.reward.parts,
            grader=config.grader,
            plugins=config.plugins,
            train=config.train,
            date=config.model.date,
            deepspeed=config.deepspeed.config,
            rollout=config.rollout,
            base=called(config.model),
            seed=config.seed,
            checkpoints=checkpoints,
            policy=policy,
            chat_template=self.chat.files.chat_template,
            template=config.template,
            answer_form=self.chat.form,
            moving=moving,
        )
