"""Everything about a run that can be known before the first GPU second: parts built, data read, sizes checked."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.config.build import build
from ufo_rl.config.load import examine
from ufo_rl.config.schema import Config
from ufo_rl.errors import Problems, UserError
from ufo_rl.evaluation.benchmark import questions
from ufo_rl.model.engine.vllm_fields import vllm_problems
from ufo_rl.model.weights import local_folder
from ufo_rl.records import Pool, Prompt
from ufo_rl.reward.columns import check_columns, column_names
from ufo_rl.reward.parts import Part, build_part
from ufo_rl.selector.cut import num_kept
from ufo_rl.signals.pass_rate.rollouts import Rollouts, check_rollouts, read_rollouts
from ufo_rl.training.trl_fields import trl_problems


@dataclass
class Prepared:
    """The built selector, the pool of prompts, the questions of each benchmark, and finished completions to grade."""

    selector: Any
    pool: Pool
    benchmarks: dict[str, list[Prompt]]
    rollouts: Rollouts | None = None


def check(plain: Mapping[str, Any]) -> Prepared:
    """Everything of one job: values, what they name, what they hold. Raises one UserError with every problem."""
    config, found, wrong = examine(plain)
    problems = Problems(found)
    prepared = problems.attempt(prepare, config, wrong)
    problems.raise_any()
    return prepared


def prepare(config: Config, wrong: Collection[str] = ()) -> Prepared:
    """Build and read all parts. Raises one UserError with every problem found. Needs no torch and no GPU.

    wrong: groups whose values are not to be used; what depends on them is passed over.
    """
    problems = Problems()

    def is_sound(*groups: str) -> bool:
        return not any(group in wrong for group in groups)

    problems.attempt(check_places, config, wrong)
    if is_sound("train"):
        problems.add(*trl_problems(config.train.trl))
    selector = (
        problems.attempt(build, config.selector, "selector", config.plugins)
        if is_sound("selector", "plugins")
        else None
    )
    parts = [
        problems.attempt(build_part, name, node, config.plugins)
        for name, node in (config.reward.parts.items() if is_sound("reward", "plugins") else ())
    ]
    for signal in getattr(selector, "signals", ()) if is_sound("signal") else ():
        if getattr(config.signal, signal, None) is None:
            problems.add(
                f"selector={config.selector.get('name')} needs the signal {signal}; "
                "choose it with signal=[confidence,pass_rate]"
            )
    pool = None
    is_scored = is_sound("signal") and "confidence" in getattr(selector, "signals", ())
    if has_data(config, wrong) and is_sound("dataset"):
        pool = problems.attempt(load_pool, config.dataset, "dataset", config)
    if pool is not None and selector is not None and is_sound("train", "launch", "ratio"):
        problems.attempt(check_batch, config, selector, len(pool.prompts))
    if pool is not None:
        problems.attempt(check_rewards, parts, pool)
    if pool is not None and is_scored:
        problems.attempt(check_target, config, pool)
    rollouts = problems.attempt(load_rollouts, config, selector, pool) if is_sound("signal", "dataset") else None
    benchmarks = problems.attempt(load_benchmarks, config, wrong)
    problems.raise_any()
    return Prepared(selector, pool or Pool([]), benchmarks or {}, rollouts)


def check_evaluation(plain: Mapping[str, Any]) -> tuple[Config, dict[str, list[Prompt]]]:
    """The typed configuration and the questions, where benchmarks are all that is run. Raises one UserError with every
    problem."""
    config, found, wrong = examine(plain)
    problems = Problems(found)
    problems.attempt(check_places, config, wrong)
    benchmarks = problems.attempt(load_benchmarks, config, wrong)
    problems.raise_any()
    return config, benchmarks or {}


def check_places(config: Config, wrong: Collection[str] = ()) -> None:
    """The folders for results and data, the model's folder, its engine's arguments, and W&B's key must be right."""
    problems = Problems()
    if not {"paths", "plugins"} & set(wrong):
        problems.attempt(check_outputs, Path(config.paths.outputs))
        if not has_data(config, wrong):
            problems.add(
                f"paths.data={config.data} is no folder; set UFO_RL_DATA or paths.data to the folder of local "
                "dataset files, or unset it to load from the Hugging Face hub"
            )
    if "model" not in wrong:
        problems.attempt(local_folder, config.model)
    if not {"engine", "signal"} & set(wrong):
        problems.add(*vllm_problems(config))
    if "tracker" not in wrong and config.tracker.mode == "online":
        problems.attempt(_check_key)
    problems.raise_any()


def has_data(config: Config, wrong: Collection[str] = ()) -> bool:
    """Whether datasets can be looked for: the folder of local files is there, or none is named."""
    return not {"paths", "plugins"} & set(wrong) and (config.data is None or config.data.is_dir())


def load_benchmarks(config: Config, wrong: Collection[str] = ()) -> dict[str, list[Prompt]]:
    """The questions of each benchmark, as many as it declares."""
    problems, benchmarks = Problems(), {}
    if has_data(config, wrong) and "eval" not in wrong:
        for name, benchmark in config.eval.items():
            pool = problems.attempt(load_pool, benchmark.dataset, f"eval.{name}.dataset", config)
            if pool is not None:
                benchmarks[name] = problems.attempt(questions, name, benchmark, pool)
    problems.raise_any()
    return benchmarks


def whole_benchmarks(config: Config) -> dict[str, list[Prompt]]:
    """All questions of each benchmark, whatever eval.NAME.limit asks."""
    return {
        name: load_pool(benchmark.dataset, f"eval.{name}.dataset", config).prompts
        for name, benchmark in config.eval.items()
    }


def check_rewards(parts: Sequence[Part | None], pool: Pool) -> None:
    """Rewards get every column by name: none may be named like what TRL gives, and those asked for must be there."""
    problems = Problems()
    problems.attempt(check_columns, {name: None for prompt in pool.prompts for name in prompt.columns})
    columns = column_names(pool.prompts)
    for part in parts:
        if part is not None:
            problems.attempt(part.check_needs, columns)
    problems.raise_any()


def check_target(config: Config, pool: Pool) -> None:
    """The target `solution` needs one for every prompt."""
    settings = config.signal.confidence
    bare = [prompt.id for prompt in pool.prompts if not prompt.solution.strip()]
    if settings is not None and settings.target == "solution" and bare:
        raise UserError(
            f"signal.confidence.target=solution: {len(bare)} of {len(pool.prompts)} prompts have no solution, first "
            f"{bare[0]}; name its column (dataset.solution), or take the target answer, response or question"
        )


def load_rollouts(config: Config, selector: Any, pool: Pool | None) -> Rollouts | None:
    """The finished completions that stand for samples, if the configuration names such a file and the selector asks for
    pass rates."""
    settings = config.signal.pass_rate
    if settings is None or settings.rollouts is None or "pass_rate" not in getattr(selector, "signals", ()):
        return None
    path = Path(settings.rollouts)
    rollouts = _read_rollouts(path, path.stat().st_mtime_ns if path.is_file() else 0)
    if pool is not None:
        check_rollouts(rollouts, pool.prompts, settings.num_samples)
    return rollouts


@functools.lru_cache(maxsize=2)
def _read_rollouts(path: Path, changed: int) -> Rollouts:
    return read_rollouts(path)


def _check_key() -> None:
    from ufo_rl.tracking.sink import check_mode

    check_mode("online")


def check_outputs(folder: Path) -> None:
    """The folder for results must be there or be creatable."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "cannot be written to" if there.is_dir() else "is no folder"
        raise UserError(f"paths.outputs={folder} cannot be used: {there} {what}; choose another place")


def check_batch(config: Config, selector: Any, num_prompts: int) -> None:
    """A step takes whole groups of different prompts: fewer kept prompts than a step needs would train nothing."""
    train = config.train
    per_step = (
        train.per_device_train_batch_size
        * train.gradient_accumulation_steps
        * config.launch.num_ranks
        // train.num_generations
    )
    kept = num_prompts if selector.keeps_all else num_kept(config.ratio.value, num_prompts)
    if kept < per_step:
        raise UserError(
            f"ratio.value={config.ratio.value} keeps {kept} of {num_prompts} prompts, fewer than the {per_step} "
            "of one training step; raise ratio.value, or lower "
            "train.per_device_train_batch_size or train.gradient_accumulation_steps"
        )


def load_pool(node: dict[str, Any], key: str, config: Config) -> Pool:
    """The prompts of a dataset node, read once per process: the jobs of a sweep share them."""
    return _load(json.dumps(node, sort_keys=True), key, tuple(config.plugins), config.data)


# More than a training pool and every benchmark, so that the jobs of a sweep read each once.
@functools.lru_cache(maxsize=16)
def _load(node: str, key: str, plugins: tuple[str, ...], data: Path | None) -> Pool:
    arguments = json.loads(node)
    dataset = build(arguments, key, plugins)
    try:
        pool: Pool = dataset.load(data)
    except UserError as error:  # a dataset knows its arguments, not where they stand
        raise UserError(*(f"{key}.{p}" if p.split("=")[0] in arguments else p for p in error.problems)) from None
    if not pool.prompts:
        raise UserError(f"{key}: no prompts are left of {pool.num_rows} rows")
    return pool
