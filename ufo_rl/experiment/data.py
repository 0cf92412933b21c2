"""The prompts and questions of a run: read once per process, and whether they can do what the configuration asks."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.config.contract import built
from ufo_rl.config.schema import Config, Seam
from ufo_rl.dataset import refuse_unusable
from ufo_rl.dataset.sound import check_pool
from ufo_rl.errors import Problems, UserError, nearest
from ufo_rl.evaluation.benchmark import open_grader, questions
from ufo_rl.experiment.surroundings import has_data
from ufo_rl.records import Pool, Prompt
from ufo_rl.selector import Selector, named_columns
from ufo_rl.selector.columns import OF_EVERY_POOL, asked_in_vain
from ufo_rl.selector.cut import num_kept
from ufo_rl.signals.protocol import Signal


def load_pool(node: dict[str, Any], key: str, config: Config, grader: Seam) -> Pool:
    """The prompts of a dataset node, all of them fit for the grader (a node too), read once per process: the jobs of a sweep
    share them."""
    nodes = json.dumps(node, sort_keys=True), json.dumps(grader, sort_keys=True)
    return _graded(*nodes, key, tuple(config.plugins), config.data)


@functools.lru_cache(maxsize=16)
def _graded(node: str, grader_node: str, key: str, plugins: tuple[str, ...], data: Path | None) -> Pool:
    pool, grader = _load(node, key, plugins, data), built(json.loads(grader_node), "grader", plugins, "grader")
    refuse_unusable(pool, grader.problem_of)
    for name in grader.columns:
        bare = [prompt.id for prompt in pool.prompts if name not in prompt.columns]
        if bare:
            raise UserError(
                f"{key}: the grader reads the column {name}, which {len(bare)} of {len(pool.prompts)} prompts do not "
                f"carry, first {bare[0]}; choose another grader, or a dataset that has the column"
            )
    return pool


def load_dataset(node: dict[str, Any], key: str, config: Config) -> Pool:
    """The prompts of a dataset node as they are, whoever grades; read once per process."""
    return _load(json.dumps(node, sort_keys=True), key, tuple(config.plugins), config.data)


# More than a training pool and every benchmark, so that the jobs of a sweep read each once.
@functools.lru_cache(maxsize=16)
def _load(node: str, key: str, plugins: tuple[str, ...], data: Path | None) -> Pool:
    arguments = json.loads(node)
    dataset = built(arguments, key, plugins, "dataset")
    try:
        pool: Pool = dataset.load(data)
    except UserError as error:  # a dataset knows its arguments, not where they stand
        raise UserError(*(f"{key}.{p}" if p.split("=")[0] in arguments else p for p in error.problems)) from None
    check_pool(pool, key)
    if not pool.prompts and not pool.unusable:
        raise UserError(f"{key}: no prompts are left of {pool.num_rows} rows")
    return pool


def load_benchmarks(config: Config, wrong: Collection[str] = ()) -> dict[str, list[Prompt]]:
    """The questions of each benchmark, as many as it declares."""
    problems, benchmarks = Problems(), {}
    if has_data(config, wrong) and "eval" not in wrong:
        for name, benchmark in config.eval.items():
            if benchmark.grader is None and "grader" in wrong:
                continue
            if problems.attempt(open_grader, name, benchmark, config.grader, config.plugins) is None:
                continue
            grader = benchmark.grader or config.grader
            pool = problems.attempt(load_pool, benchmark.dataset, f"eval.{name}.dataset", config, grader)
            if pool is not None:
                benchmarks[name] = problems.attempt(questions, name, benchmark, pool)
    problems.raise_any()
    return benchmarks


def whole_benchmarks(config: Config) -> dict[str, list[Prompt]]:
    """All questions of each benchmark, whatever eval.NAME.limit asks."""
    return {
        name: load_dataset(benchmark.dataset, f"eval.{name}.dataset", config).prompts
        for name, benchmark in config.eval.items()
    }


def check_selector_columns(config: Config, selector: Selector, signals: Sequence[Signal], pool: Pool) -> None:
    """Every column that the selector names must be one of the pool's or of its signals', and none may be of both."""
    carried = {name for prompt in pool.prompts for name in prompt.columns}
    measured = {name for signal in signals for name in signal.columns}
    if both := sorted(carried & measured):
        raise UserError(
            *(
                f"dataset: its column {name} has the name of one that a signal measures; leave it out "
                f"(dataset=custom carries the columns of dataset.columns=[...]), or rename it in the data"
                for name in both
            )
        )
    known = {*OF_EVERY_POOL, *carried, *measured}
    missing = [name for name in named_columns(selector) if name not in known]
    if not missing and (name := asked_in_vain(selector, pool.prompts, measured)):
        missing = [name]
    if missing:
        raise UserError(
            *(
                f"selector={config.selector.get('name')} reads the column {name}, which neither the dataset nor its signals "
                f"have{nearest(name, known)} (columns: {', '.join(sorted(known))})"
                for name in missing
            )
        )


def check_batch(config: Config, selector: Selector, num_prompts: int) -> None:
    """A set of completions is of different prompts: fewer kept prompts than it needs would train nothing."""
    train = config.train
    per_set = train.prompts_per_set(config.launch.num_ranks)
    kept = num_prompts if selector.keeps_all else num_kept(config.ratio.value, num_prompts)
    of_trl = next((key for key in ("generation_batch_size", "steps_per_generation") if train.trl.get(key)), None)
    split = "train.gradient_accumulation_steps" if of_trl is None else f"train.trl.{of_trl}"
    if kept < per_set:
        raise UserError(
            f"ratio.value={config.ratio.value} keeps {kept} of {num_prompts} prompts, fewer than the {per_set} "
            "of one training step; raise ratio.value, or lower "
            f"train.per_device_train_batch_size or {split}"
        )
