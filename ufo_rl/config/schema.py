"""The closed core of the configuration: types and ranges. Values live in conf/, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ufo_rl.config.typed import OneOf, Range

Positive = Annotated[float, Range(0, ends="(]")]
NotNegative = Annotated[float, Range(0)]
Count = Annotated[int, Range(1)]
Seed = Annotated[int, Range(0)]
Dtype = Annotated[str, OneOf(("float32", "bfloat16", "float16"))]
Seam = dict[str, Any]  # a part of the user's choice: _target_ and keyword arguments, see build.py


@dataclass
class Model:
    name: str
    path: str
    revision: str | None
    dtype: Dtype
    max_completion_tokens: Count


@dataclass
class Template:
    name: str
    system: str
    user: str


@dataclass
class Confidence:
    engine: Annotated[str, OneOf(("own", "vllm"))]
    target: Annotated[str, OneOf(("answer", "solution", "response", "question"))]
    reduction: Annotated[str, OneOf(("mean", "sum", "min"))]
    dtype: Dtype | None
    max_response_tokens: Count
    keep_token_logprobs: bool
    batch_size: Count | None
    batch_tokens: Count | None


@dataclass
class PassRate:
    num_samples: Count
    temperature: Positive
    max_completion_tokens: Count
    seed: Seed
    adaptive: list[Annotated[float, Range(0, 1)]] | None
    rollouts: str | None


@dataclass
class Signals:
    """The signals that may be measured; one that was not chosen is None."""

    confidence: Confidence | None = None
    pass_rate: PassRate | None = None


@dataclass
class Ratio:
    value: Annotated[float, Range(0, 1, "(]")]


@dataclass
class GraderLimits:
    time_limit_s: Positive
    max_chars: Count


@dataclass
class Reward:
    name: str
    grader: GraderLimits
    parts: dict[str, Seam]


@dataclass
class Train:
    name: str
    learning_rate: Positive
    lr_scheduler_type: Annotated[str, OneOf(("constant", "constant_with_warmup", "linear", "cosine"))]
    warmup_ratio: Annotated[float, Range(0, 1, "[)")]
    max_steps: Count | None
    num_train_epochs: Positive
    per_device_train_batch_size: Count
    gradient_accumulation_steps: Count
    num_generations: Annotated[int, Range(2)]
    max_prompt_tokens: Count | None
    max_completion_tokens: Count
    temperature: Positive
    beta: NotNegative
    epsilon: Positive
    loss_type: Annotated[str, OneOf(("grpo", "dr_grpo", "dapo", "bnpo"))]
    scale_rewards: Annotated[str, OneOf(("group", "batch", "none"))]
    num_iterations: Count
    max_grad_norm: Positive
    weight_decay: NotNegative
    bf16: bool
    gradient_checkpointing: bool
    save_steps: Count | None
    trl: dict[str, Any]  # any other field of TRL's GRPOConfig, see training/trl_fields.py


@dataclass
class DeepSpeed:
    name: str
    config: dict[str, Any] | None


@dataclass
class Engine:
    name: Annotated[str, OneOf(("hf", "vllm"))]
    batch_tokens: Count
    memory_share: Annotated[float, Range(0, 1, "(]")]
    vllm: dict[str, Any]  # any other engine argument of vLLM's, see model/engine/vllm_fields.py


@dataclass
class Shot:
    """A worked example that is shown before each question."""

    question: str
    response: str


@dataclass
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


@dataclass
class TrackerConfig:
    mode: Annotated[str, OneOf(("auto", "online", "offline", "off"))]
    project: str
    entity: str | None
    tags: list[str]


@dataclass
class Launch:
    num_ranks: Count
    num_nodes: Count
    node_rank: Annotated[int, Range(0)]
    rendezvous: str | None
    threads_per_rank: Count | None
    device: Annotated[str, OneOf(("auto", "cuda", "cpu"))]


@dataclass
class Paths:
    outputs: str
    data: str | None


@dataclass
class Contamination:
    """Which prompts count as questions of a benchmark, and whether they leave the pool; see contamination.py."""

    ngram: Count
    threshold: Annotated[float, Range(0, 1, "(]")]
    remove: bool


@dataclass
class Config:
    model: Model
    template: Template
    dataset: Seam
    signal: Signals
    selector: Seam
    ratio: Ratio
    reward: Reward
    train: Train
    deepspeed: DeepSpeed
    engine: Engine
    eval: dict[str, Benchmark]
    tracker: TrackerConfig
    launch: Launch
    name: str
    seed: Seed
    force: bool
    plugins: list[str]
    contamination: Contamination
    paths: Paths

    @property
    def data(self) -> Path | None:
        return Path(self.paths.data) if self.paths.data else None
