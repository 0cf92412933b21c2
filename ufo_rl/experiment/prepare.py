"""Everything about a run that can be known before the first GPU second: parts built, data read, sizes checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ufo_rl.config.contract import built
from ufo_rl.config.load import examine
from ufo_rl.config.optional import ask
from ufo_rl.config.schema import Config
from ufo_rl.errors import Problems, UserError
from ufo_rl.experiment.data import check_batch, check_selector_columns, load_benchmarks, load_pool
from ufo_rl.experiment.lengths import check_lengths, sampled
from ufo_rl.experiment.model_check import check_local_model
from ufo_rl.experiment.shots import check_shots
from ufo_rl.experiment.surroundings import check_machine, check_places, has_data
from ufo_rl.grader import Grader
from ufo_rl.model.unloaded.architecture import architecture_of
from ufo_rl.records import Pool, Prompt
from ufo_rl.reward.columns import column_names, refuse_taken_names
from ufo_rl.reward.parts import Part, build_part
from ufo_rl.selector import Selector
from ufo_rl.signals.agreement import check_signals
from ufo_rl.signals.confidence.settings import Confidence
from ufo_rl.signals.protocol import Signal
from ufo_rl.training.memory.layout import is_meant
from ufo_rl.training.order import EASE, EASY_FIRST, HARD_FIRST, ease_column
from ufo_rl.training.trl_fields import trl_problems

OF_TRAINING = ("reward", "train", "deepspeed", "refresh")  # groups that say nothing where nothing is trained


@dataclass
class Prepared:
    """The built parts, the pool of prompts, and the questions of each benchmark."""

    selector: Selector
    signals: dict[str, Signal]
    rewards: list[Part]
    grader: Grader
    pool: Pool
    benchmarks: dict[str, list[Prompt]] = field(default_factory=dict)

    def signals_of_selector(self) -> list[Signal]:
        return [self.signals[name] for name in self.selector.signals]


def check(plain: Mapping[str, Any]) -> Prepared:
    """Everything of one job: values, what they name, what they hold. Raises one UserError with every problem."""
    config, found, wrong = examine(plain)
    problems = Problems(found)
    prepared = problems.attempt(prepare, config, wrong)
    problems.raise_any()
    return prepared


def prepare(config: Config, wrong: Collection[str] = (), tries_model: bool = True) -> Prepared:
    """Build and read all parts. Raises one UserError with every problem found. Needs no torch and no GPU.

    wrong: groups whose values are not to be used; what depends on them is passed over. tries_model: the model, too, is looked
    at, in a process that has torch.
    """
    problems, parts = Problems(), Parts(config, wrong)
    problems.attempt(check_places, config, wrong, False, tries_model)
    if parts.is_sound("train"):
        problems.add(*trl_problems(config.train.trl))
    selector: Any = parts.one("selector", problems)
    signals = parts.several("signal", config.signal, problems) if parts.is_sound("signal") else {}
    problems.attempt(check_signals, signals)
    grader: Any = parts.one("grader", problems)
    rewards = parts.rewards(grader, problems) if parts.is_sound("reward") and grader is not None else []
    wanted = [name for name in getattr(selector, "signals", ()) if parts.is_sound("signal")]
    for signal in wanted:
        if signal not in config.signal:
            problems.add(
                f"selector={config.selector.get('name')} needs the signal {signal}; "
                f"choose it with signal=[{','.join([*config.signal, signal])}]"
            )
    pool = None
    if has_data(config, wrong) and grader is not None and parts.is_sound("dataset"):
        pool = problems.attempt(load_pool, config.dataset, "dataset", config, config.grader)
    if pool is not None and parts.is_sound("reward"):
        problems.attempt(check_rewards, rewards, pool)
    if pool is not None and selector is not None:
        if parts.is_sound("train", "launch", "ratio"):
            problems.attempt(check_batch, config, selector, len(pool.prompts))
        needed = [signals[name] for name in wanted if name in signals]
        # where a signal is missing or wrong, its columns would be told as missing too
        if len(needed) == len(wanted) and parts.is_sound("signal"):
            problems.attempt(check_selector_columns, config, selector, needed, pool)
        for signal in needed:
            problems.attempt(ask, signal, "check", pool.prompts)
        if parts.is_sound("train") and len(needed) == len(wanted):
            problems.attempt(check_order, config, needed)
        if parts.is_sound("refresh", "train") and len(needed) == len(wanted):
            problems.attempt(check_refresh, config, selector, needed)
    if parts.is_sound("train", "model"):
        problems.attempt(check_adapters, config)
    benchmarks = problems.attempt(load_benchmarks, config, wrong)
    problems.attempt(check_shots, config, benchmarks or ())
    problems.raise_any()
    if tries_model and not wrong:  # the last: it takes seconds
        check_local_model(config)
        check_lengths(config, pool.prompts if pool else (), benchmarks or {}, sampled(config, wanted, trains=True))
    # What belongs to a wrong group is None, and unused.
    return Prepared(cast(Any, selector), signals, rewards, cast(Any, grader), pool or Pool([]), benchmarks or {})


class Parts:
    """Builds the open seams of a configuration, as far as its values are sound."""

    def __init__(self, config: Config, wrong: Collection[str]) -> None:
        self.config, self.wrong = config, wrong

    def is_sound(self, *groups: str) -> bool:
        return not any(group in self.wrong for group in (*groups, "plugins"))

    def one(self, group: str, problems: Problems) -> Any:
        """The part of a group; None where it cannot be built."""
        if not self.is_sound(group):
            return None
        return problems.attempt(built, getattr(self.config, group), group, self.config.plugins, group)

    def rewards(self, grader: Grader, problems: Problems) -> list[Part]:
        parts = [
            problems.attempt(_reward, name, node, self.config.plugins, grader)
            for name, node in self.config.reward.parts.items()
        ]
        return [part for part in parts if part is not None]

    def several(self, key: str, nodes: Mapping[str, dict[str, Any]], problems: Problems) -> dict[str, Any]:
        """The parts below a key by name, without those that cannot be built."""
        parts = {
            name: problems.attempt(built, node, f"{key}.{name}", self.config.plugins, key)
            for name, node in nodes.items()
        }
        return {name: part for name, part in parts.items() if part is not None}


def _reward(name: str, node: Mapping[str, Any], plugins: Sequence[str], grader: Grader) -> Part:
    return build_part(name, node, plugins, grader=grader)


def check_order(config: Config, signals: Sequence[Signal]) -> None:
    """An order by ease needs a measure of it."""
    order, columns = config.train.order, {name for signal in signals for name in signal.columns}
    if order in (EASY_FIRST, HARD_FIRST) and ease_column(columns) is None:
        name = config.selector.get("name")
        raise UserError(
            f"train.order={order} goes by {' or '.join(EASE)}, and selector={name} measures neither; "
            f"take selector=ufo or selector=accuracy (with ratio=full: all prompts), or train.order=shuffled"
        )


def check_refresh(config: Config, selector: Selector, signals: Sequence[Signal]) -> None:
    """A selection that moves must be able to, and what a rescoring asks again must be the policy's own forward pass."""
    name, chosen = config.refresh.name, config.selector.get("name")
    if name == "static":
        return
    if selector.keeps_all:
        raise UserError(f"refresh={name} with selector={chosen}, which keeps everything: take refresh=static")
    if name != "rescore":
        return
    problems = Problems()
    if [type(signal) for signal in signals] != [Confidence]:
        measured = ", ".join(selector.signals) or "nothing"
        problems.add(
            f"refresh=rescore scores the pool by confidence, and selector={chosen} goes by {measured}; take selector=ufo, or "
            "refresh=posterior"
        )
    for signal in signals:
        if isinstance(signal, Confidence) and (signal.engine != "own" or signal.target == "response"):
            problems.add(
                f"refresh=rescore needs signal.confidence.engine=own and a target that is given, not "
                f"engine={signal.engine} target={signal.target}"
            )
    problems.raise_any()


def check_adapters(config: Config) -> None:
    """Adapters go to linear layers that the model has, as far as its configuration tells; others are told when it is loaded."""
    lora = config.train.lora
    model = architecture_of(config.model) if lora.rank is not None and lora.targets != ["all-linear"] else None
    if model is None or model.counted is not None:  # of another kind than Llama's, whose layers have other names
        return
    unknown = [target for target in lora.targets if not any(is_meant(name, target) for name in model.modules)]
    if unknown:
        raise UserError(
            f"train.lora.targets={lora.targets}: the model has no linear layer {' or '.join(unknown)}; it has "
            f"{', '.join(model.linear)}; for all of them: train.lora.targets=[all-linear]"
        )


def check_rewards(parts: Sequence[Part], pool: Pool) -> None:
    """Rewards get every column by name: none may be named like what TRL gives, and those asked for must be there."""
    problems = Problems()
    problems.attempt(refuse_taken_names, dict.fromkeys(name for prompt in pool.prompts for name in prompt.columns))
    columns = column_names(pool.prompts)
    for part in parts:
        problems.attempt(part.check_needs, columns)
    problems.raise_any()


def check_selection(plain: Mapping[str, Any], names: Sequence[str] | None) -> tuple[Config, Prepared, list[str]]:
    """The typed configuration, its parts and the signals to measure, where nothing is trained: the named ones and no
    selection, or (None) those that the selector needs. Raises one UserError with every problem.

    Benchmarks are read only where their questions are to leave the pool.
    """
    remove = (plain.get("contamination") or {}).get("remove") is True
    unused = {*OF_TRAINING, *(() if remove else ("eval",)), *(("selector",) if names is not None else ())}
    config, found, wrong = examine(plain, unused)
    problems = Problems(found)
    prepared = problems.attempt(prepare, config, wrong | unused)
    if prepared is not None and names is not None:
        for name in names:
            problems.attempt(ask, prepared.signals[name], "check", prepared.pool.prompts)
    problems.raise_any()
    found_parts = cast(Prepared, prepared)  # nothing was wrong
    measured = list(found_parts.selector.signals if names is None else names)
    check_machine(plain, measured, any(found_parts.signals[name].unit == "samples" for name in measured))
    check_local_model(config)
    check_lengths(config, found_parts.pool.prompts, {}, sampled(config, measured))
    return config, found_parts, measured


def check_examination(plain: Mapping[str, Any]) -> tuple[Config, Prepared]:
    """The typed configuration and its parts, where a pool is scored and nothing else is asked of it. Raises one UserError with
    every problem."""
    unused = {*OF_TRAINING, "eval"}
    config, found, wrong = examine(plain, unused)
    problems = Problems(found)
    prepared = problems.attempt(prepare, config, wrong | unused)
    problems.raise_any()
    check_machine(plain, generates=False)
    check_local_model(config)
    return config, cast(Prepared, prepared)  # nothing was wrong


def check_evaluation(plain: Mapping[str, Any]) -> tuple[Config, dict[str, list[Prompt]]]:
    """The typed configuration and the questions, where benchmarks are all that is run. Raises one UserError with every
    problem."""
    config, found, wrong = examine(plain, OF_TRAINING)
    problems = Problems(found)
    problems.attempt(check_places, config, wrong, True)
    benchmarks = problems.attempt(load_benchmarks, config, wrong)
    problems.attempt(check_shots, config, benchmarks or ())
    problems.raise_any()
    check_local_model(config, is_evaluation=True)
    check_lengths(config, (), benchmarks or {}, {})
    return config, benchmarks or {}
