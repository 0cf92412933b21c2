"""The closed core of the configuration: types and ranges. Values live in conf/, nowhere else; the few defaults here are
what a key that came later stands for where it is not given, and such a key is in no identity where it has its default."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import ConfigDict

from ufo_rl.config.kinds import (
    CHANGES_NO_RESULT,
    Count,
    Cure,
    Dtype,
    Flag,
    Folder,
    Name,
    NotNegative,
    Positive,
    Proportion,
    Seed,
    Text,
    Whole,
    Word,
    node,
)
from ufo_rl.config.training_schema import Refresh, Rollout, Train

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
    rollout: Rollout = field(default_factory=Rollout)

    @property
    def data(self) -> Path | None:
        return Path(self.paths.data) if self.paths.data else None
