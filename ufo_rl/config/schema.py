"""The closed core of the configuration: types and ranges. Values live in conf/, nowhere else; the few defaults here are
what a key that came later stands for where it is not given, and such a key is in no identity where it has its default."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict

from ufo_rl.config.kinds import CHANGES_NO_RESULT, Cure, Flag, Folder, Name, Number, Text, Whole, Word, node

Positive = Annotated[Number, Gt(0)]
NotNegative = Annotated[Number, Ge(0)]
Count = Annotated[Whole, Ge(1)]
Seed = Annotated[Whole, Ge(0), Le(2**32 - 1)]  # what numpy takes
Proportion = Annotated[Number, Gt(0), Le(1)]
Dtype = Literal["float32", "bfloat16", "float16"]
SHUFFLED = "shuffled"
SPENT = ("generated_tokens", "seconds")  # units of a budget that no number of steps stands for
Seam = dict[str, Any]  # a part of the user's choice: _target_ and keyword arguments, see build.py


@node
class Model:
    name: Name
    path: Text
    revision: Text | None
    dtype: Dtype
    max_completion_tokens: Count
    chat_template: Text | None = None
    date: Text = "2024-07-26"


@node
class Shot:
    """A worked example that is shown before each question."""

    question: Text
    response: Text


@node
class Template:
    name: Name
    system: Text
    user: Text
    layout: Literal["chat", "text"] = "chat"
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)
    stop: list[Text] = field(default_factory=list)
    answer_prefix: Text = "<answer> "
    answer_suffix: Text = "</answer>"
    few_shot: list[Shot] = field(default_factory=list)


@node
class Ratio:
    value: Annotated[Proportion, Cure("for everything use selector=full")]


@node
class Reward:
    name: Name
    parts: dict[str, Seam]


@node
class Train:
    name: Name
    learning_rate: Positive
    lr_scheduler_type: Literal["constant", "constant_with_warmup", "linear", "cosine"]
    warmup_ratio: Annotated[Number, Ge(0), Lt(1)]
    max_steps: Count | None
    num_train_epochs: Positive
    per_device_train_batch_size: Count
    gradient_accumulation_steps: Count
    num_generations: Annotated[Whole, Ge(2)]
    max_prompt_tokens: Count | None
    max_completion_tokens: Count
    temperature: Positive
    beta: NotNegative
    epsilon: Positive
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"]
    scale_rewards: Literal["group", "batch", "none"]
    num_iterations: Count
    max_grad_norm: Positive
    weight_decay: NotNegative
    bf16: Flag
    gradient_checkpointing: Flag
    save_steps: Count | None
    trl: dict[str, Any]  # any other field of TRL's GRPOConfig, see training/trl_fields.py
    order: Literal["shuffled", "easy_first", "hard_first", "as_ranked"] = SHUFFLED
    dead_groups: Literal["keep", "drop"] = "keep"
    keep_checkpoints: Annotated[Count, CHANGES_NO_RESULT] = 1
    rollouts_every: Annotated[Count | None, CHANGES_NO_RESULT] = 10
    budget: Literal["epochs", "steps", "generated_tokens", "seconds"] | None = None
    max_generated_tokens: Count | None = None
    max_seconds: Positive | None = None
    eval_steps: Count | None = None
    best_by: Name | None = None

    @property
    def budget_unit(self) -> str:
        """What ends the training: `budget`, or that of which an amount is given."""
        given = {"generated_tokens": self.max_generated_tokens, "seconds": self.max_seconds, "steps": self.max_steps}
        return self.budget or next((unit for unit, amount in given.items() if amount is not None), "epochs")

    @property
    def budget_amount(self) -> float | None:
        """How much of it; None where the configuration does not say so."""
        return {
            "epochs": self.num_train_epochs,
            "steps": self.max_steps,
            "generated_tokens": self.max_generated_tokens,
            "seconds": self.max_seconds,
        }[self.budget_unit]

    def completions_per_step(self, num_ranks: int) -> int:
        return self.per_device_train_batch_size * self.gradient_accumulation_steps * num_ranks

    def num_steps(self, num_prompts: int, num_ranks: int) -> int | None:
        """Optimizer steps over so many kept prompts, as TRL counts them: a step's last incomplete batch is left out. None where
        the budget is of tokens or seconds."""
        if self.budget_unit in SPENT:
            return None
        if self.budget_unit == "steps" and self.max_steps is not None:
            return self.max_steps
        num_sets = num_prompts // self.prompts_per_set(num_ranks)
        passes = num_sets * self.passes_per_set * self.num_iterations
        return max(1, math.ceil(self.num_train_epochs * math.ceil(passes / self.gradient_accumulation_steps)))

    @property
    def passes_per_set(self) -> int:
        """Backward passes that one set of completions is split into."""
        return self.trl.get("steps_per_generation") or self.gradient_accumulation_steps

    def prompts_per_set(self, num_ranks: int) -> int:
        """Whose completions are generated together: fewer prompts cannot be trained on."""
        completions = self.per_device_train_batch_size * self.passes_per_set * num_ranks
        return (self.trl.get("generation_batch_size") or completions) // self.num_generations


@node
class Refresh:
    """How the selection follows the model while it trains, see conf/refresh/base/any.yaml."""

    name: Literal["static", "rescore", "posterior"] = "static"
    every: Count | None = None
    explore: Annotated[Number, Ge(0), Lt(1)] = 0.0
    memory: Annotated[Number, Ge(0), Le(1)] = 1.0
    prior: Positive = 1.0


@node
class DeepSpeed:
    name: Name
    config: dict[str, Any] | None


@node
class EngineConfig:
    name: Literal["hf", "vllm"]
    batch_tokens: Annotated[Count, CHANGES_NO_RESULT]
    memory_share: Annotated[Proportion, CHANGES_NO_RESULT]
    vllm: dict[str, Any]  # any other engine argument of vLLM's, see model/engine/vllm_fields.py


@node
class DrawnShots:
    """Worked examples drawn for each question of a benchmark: `num` rows of a dataset, its solutions as responses."""

    dataset: Seam
    num: Count
    seed: Seed


@node
class Benchmark:
    """A fixed set of questions of declared size; `limit` takes the first so many by id and is labelled a subset."""

    dataset: Seam
    size: Count | None
    limit: Count | None
    max_completion_tokens: Count
    num_samples: Count
    temperature: NotNegative
    seed: Seed
    few_shot: list[Shot]
    relative_tolerance: Positive | None
    grader: Annotated[Seam | None, Cure("to choose one: +grader@{key}={value}")]
    template: Annotated[Template | None, Cure("to choose one: +template@{key}={value}")] = None
    drawn_shots: DrawnShots | None = None


@node
class TrackerConfig:
    mode: Annotated[Literal["auto", "online", "offline", "off"], Word]
    project: Text
    entity: Text | None
    tags: list[Text]
    upload_policy: Flag = False


@node
class Slurm:
    """What a job asks of SLURM, in the words of submitit and sbatch; see conf/launch/slurm.yaml."""

    partition: Text | None
    account: Text | None
    qos: Text | None
    constraint: Text | None
    gpus_per_node: Annotated[Whole, Ge(0)] | None
    cpus_per_task: Count
    mem_gb: Positive | None
    timeout_min: Count
    array_parallelism: Count
    max_num_timeout: Annotated[Whole, Ge(0)]
    signal_delay_s: Count
    poll_s: Positive
    setup: list[Text]
    additional_parameters: dict[str, Any]


@node
class Launch:
    num_ranks: Count
    num_nodes: Annotated[Count, CHANGES_NO_RESULT]
    node_rank: Annotated[
        Whole, Ge(0), CHANGES_NO_RESULT, Cure("where it is not set, SLURM_NODEID says which host this is")
    ]
    rendezvous: Annotated[Text | None, CHANGES_NO_RESULT]
    threads_per_rank: Annotated[Count | None, CHANGES_NO_RESULT]
    device: Annotated[Literal["auto", "cuda", "cpu"], CHANGES_NO_RESULT]
    grace_s: Annotated[Positive, CHANGES_NO_RESULT] = 30.0
    hang_s: Annotated[Positive | None, CHANGES_NO_RESULT] = 1800.0
    slurm: Annotated[Slurm | None, CHANGES_NO_RESULT] = None


@node
class Paths:
    outputs: Folder
    data: Folder | None


@node
class Contamination:
    """Which prompts count as questions of a benchmark, and whether they leave the pool; see dataset/overlap.py."""

    ngram: Count
    threshold: Proportion
    remove: Flag


@dataclasses.dataclass(frozen=True)
class Config:
    """All groups. Not validated when it is built, so that `load.examine` can hold what is sound beside what is not."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    model: Model
    template: Template
    dataset: Seam
    signal: dict[str, Seam]
    grader: Seam
    selector: Seam
    ratio: Ratio
    reward: Reward
    train: Train
    deepspeed: DeepSpeed
    engine: EngineConfig
    eval: dict[str, Benchmark]
    tracker: Annotated[TrackerConfig, CHANGES_NO_RESULT]
    launch: Launch
    name: Annotated[Name, CHANGES_NO_RESULT]
    seed: Seed
    force: Annotated[Flag, CHANGES_NO_RESULT]
    fail_fast: Annotated[Flag, CHANGES_NO_RESULT]
    plugins: Annotated[list[Text], CHANGES_NO_RESULT]
    contamination: Contamination
    paths: Annotated[Paths, CHANGES_NO_RESULT]
    refresh: Refresh = field(default_factory=Refresh)

    @property
    def data(self) -> Path | None:
        return Path(self.paths.data) if self.paths.data else None
