"""The closed core of the configuration: types and ranges. Values live in conf/, nowhere else."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ufo_rl.records import UserError


@dataclass(frozen=True)
class Range:
    """Allowed interval of a number, in the usual bracket notation: Range(0, 1, "(]") is 0 < x <= 1."""

    low: float
    high: float = math.inf
    ends: str = "[]"

    def allows(self, value: float) -> bool:
        above = value > self.low if self.ends[0] == "(" else value >= self.low
        below = value < self.high if self.ends[1] == ")" else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'>' if self.ends[0] == '(' else '>='} {self.low:g}"
        return f"in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"


@dataclass(frozen=True)
class OneOf:
    """Allowed words."""

    options: tuple[str, ...]

    def allows(self, value: str) -> bool:
        return value in self.options

    def __str__(self) -> str:
        return "one of " + ", ".join(self.options)


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
    target: Annotated[str, OneOf(("answer",))]
    dtype: Dtype | None
    batch_size: Count
    batch_tokens: Count


@dataclass
class PassRate:
    num_samples: Count
    temperature: Positive
    max_completion_tokens: Count
    seed: Seed


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


@dataclass
class DeepSpeed:
    name: str
    config: dict[str, Any] | None


@dataclass
class Engine:
    name: Annotated[str, OneOf(("hf",))]
    batch_tokens: Count


@dataclass
class Benchmark:
    """A fixed set of questions of declared size; `limit` takes the first so many by id and is labelled a subset."""

    dataset: Seam
    size: Count
    limit: Count | None
    max_completion_tokens: Count


@dataclass
class TrackerConfig:
    mode: Annotated[str, OneOf(("auto", "online", "offline", "off"))]
    project: str
    entity: str | None
    tags: list[str]


@dataclass
class Launch:
    num_ranks: Count
    threads_per_rank: Count | None
    device: Annotated[str, OneOf(("auto", "cuda", "cpu"))]


@dataclass
class Paths:
    outputs: str
    data: str | None


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
    paths: Paths

    @property
    def data(self) -> Path | None:
        return Path(self.paths.data) if self.paths.data else None


def nearest(word: str, words: Any) -> str:
    """`; did you mean "x"?` with the one or two most similar of the words, "" if none is similar."""
    close = difflib.get_close_matches(word, sorted({str(w) for w in words}), n=2, cutoff=0.6)
    if len(close) == 2 and _similarity(word, close[0]) > _similarity(word, close[1]):
        close = close[:1]
    return "; did you mean " + " or ".join(f'"{c}"' for c in close) + "?" if close else ""


def _similarity(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, b, a).ratio()


def load(plain: Mapping[str, Any]) -> Config:
    """The typed configuration of a resolved plain mapping. Raises UserError with every problem, not the first."""
    problems: list[str] = []
    config = _read(Config, plain, "", problems)
    if not problems:
        problems = _relations(config)
    if problems:
        raise UserError(*problems)
    return config


def _relations(config: Config) -> list[str]:
    """Rules that tie several keys together."""
    problems = []
    train, ranks = config.train, config.launch.num_ranks
    batch = train.per_device_train_batch_size * train.gradient_accumulation_steps * ranks
    if batch % train.num_generations:
        problems.append(
            f"train.per_device_train_batch_size={train.per_device_train_batch_size} x "
            f"train.gradient_accumulation_steps={train.gradient_accumulation_steps} x launch.num_ranks={ranks} = {batch} "
            f"completions a step, not divisible by train.num_generations={train.num_generations}; "
            f"take train.per_device_train_batch_size={_next_multiple(train)}"
        )
    for key, text in (("template.user", config.template.user), ("template.system", config.template.system)):
        if key == "template.user" and "{question}" not in text:
            problems.append(f'{key}="{text}" has no {{question}}: the model would never see the question')
    if not config.eval:
        problems.append("eval is empty; choose a benchmark, for example eval=arithmetic")
    if not config.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        problems.append(f'name="{config.name}" must be one word of letters, digits, ".", "-" and "_": it names a folder')
    stage3 = (config.deepspeed.config or {}).get("zero_optimization", {})
    if isinstance(stage3, Mapping) and stage3.get("stage") not in (None, 0, 1, 2, 3):
        problems.append(f"deepspeed.config.zero_optimization.stage={stage3.get('stage')} must be 0, 1, 2 or 3")
    return problems


def _next_multiple(train: Train) -> int:
    return math.ceil(train.per_device_train_batch_size / train.num_generations) * train.num_generations


def num_kept(ratio: float, num_prompts: int) -> int:
    """floor(ratio * n) in exact decimal arithmetic, at least 1: 0.1 of 17,255 is 1,725, 0.29 of 100 is 29."""
    return max(1, int(Decimal(repr(ratio)) * num_prompts))


def _read(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    """The value as `kind`; what does not fit goes into `problems` with its key, and None comes back."""
    if get_origin(kind) is Annotated:
        base, rule = get_args(kind)
        before = len(problems)
        result = _read(base, value, key, problems)
        if len(problems) == before and not rule.allows(result):
            hint = nearest(str(value), rule.options) if isinstance(rule, OneOf) else ""
            problems.append(f"{key}={value} must be {rule}{hint}{_cure(key)}")
        return result
    if get_origin(kind) in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = [k for k in get_args(kind) if k is not type(None)]
        return _read(kind, value, key, problems)
    if is_dataclass(kind):
        return _read_node(kind, value, key, problems)
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            problems.append(f"{key}={value} must be a mapping of keys to values")
            return None
        element = get_args(kind)[1]
        return {k: v if element is Any else _read(element, v, f"{key}.{k}", problems) for k, v in value.items()}
    if get_origin(kind) is list:
        if not isinstance(value, list):
            problems.append(f"{key}={value} must be a list, for example {key}=[a,b]")
            return None
        return [_read(get_args(kind)[0], v, f"{key}[{i}]", problems) for i, v in enumerate(value)]
    return _read_scalar(kind, value, key, problems)


def _read_node(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{key}={value} must be a group of keys, not a single value")
        return None
    hints = get_type_hints(kind, include_extras=True)
    names = [f.name for f in fields(kind)]
    dot = f"{key}." if key else ""
    for name in value:
        if name not in names:
            problems.append(f"{dot}{name}: unknown key{nearest(str(name), names)} (keys here: {', '.join(names)})")
    missing = [f.name for f in fields(kind) if f.name not in value and f.default is MISSING]
    problems.extend(f"{dot}{name} is missing" for name in missing)
    values = {n: _read(hints[n], value[n], dot + n, problems) for n in names if n in value}
    return None if missing else kind(**values)


def _read_scalar(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and value is False:
        return "off"  # YAML reads the word off as false
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    problems.append(f"{key}={'null' if value is None else value} must be {names[kind]}")
    return None


def _cure(key: str) -> str:
    return "; for everything use selector=full" if key == "ratio.value" else ""
