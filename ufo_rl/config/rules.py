"""Rules that tie keys of the configuration together: each says, in a list, what is wrong and how to mend it."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ufo_rl.config.kinds import NAME, NAME_KIND
from ufo_rl.config.messages import brief
from ufo_rl.config.training_rules import OF_TRAINING

if TYPE_CHECKING:
    from ufo_rl.config.schema import Config, Template


def _shows_question(config: Config) -> list[str]:
    return [
        f'{key}.user="{template.user}" has no {{question}}: the model would never see the question'
        for key, template in _templates(config)
        if "{question}" not in template.user
    ]


def _templates(config: Config) -> list[tuple[str, Template]]:
    """The run's template and those that benchmarks have of their own, with their keys."""
    asked = config.eval or {}  # None where its values are wrong
    own = [(f"eval.{name}.template", one.template) for name, one in asked.items() if one.template]
    return [("template", config.template), *own]


def _stops_at_something(config: Config) -> list[str]:
    return [
        f'{key}.stop holds "": every completion would end at once; leave it out, or {key}.stop=[] for none'
        for key, template in _templates(config)
        if "" in template.stop
    ]


def _layout_takes_arguments(config: Config) -> list[str]:
    return [
        f"{key}.chat_template_kwargs={template.chat_template_kwargs}: {key}.layout=text uses no chat template; leave them out"
        for key, template in _templates(config)
        if template.layout == "text" and template.chat_template_kwargs
    ]


def _examples_say_something(config: Config) -> list[str]:
    shown = {f"{key}.few_shot": template.few_shot for key, template in _templates(config)}
    shown |= {f"eval.{name}.few_shot": benchmark.few_shot for name, benchmark in (config.eval or {}).items()}
    return [
        f"{key}[{place}].{name} is empty: an example shows a question and its answer; write it, or leave the example out"
        for key, shots in shown.items()
        for place, shot in enumerate(shots)
        for name in ("question", "response")
        if not getattr(shot, name).strip()
    ]


def _one_kind_of_shots(config: Config) -> list[str]:
    return [
        f"eval.{name}.few_shot and eval.{name}.drawn_shots exclude each other; take one: eval.{name}.drawn_shots=null"
        for name, benchmark in config.eval.items()
        if benchmark.few_shot and benchmark.drawn_shots
    ]


def _date_is_one(config: Config) -> list[str]:
    try:
        datetime.date.fromisoformat(config.model.date)
    except ValueError:
        return [f'model.date="{config.model.date}" must be a date, year-month-day, for example 2024-07-26']
    return []


def _is_evaluated(config: Config) -> list[str]:
    return [] if config.eval else ["eval is empty; choose a benchmark, for example eval=math500"]


def _samples_differ(config: Config) -> list[str]:
    return [
        f"eval.{name}.num_samples={benchmark.num_samples} at eval.{name}.temperature=0 would be the same completion so often; "
        f"take a temperature above 0, for example eval.{name}.temperature=1.0, or num_samples=1"
        for name, benchmark in config.eval.items()
        if benchmark.num_samples > 1 and benchmark.temperature == 0
    ]


def _limit_within_size(config: Config) -> list[str]:
    return [
        f"eval.{name}.limit={benchmark.limit} is more than the {benchmark.size} questions of the benchmark; "
        f"for all of them: eval.{name}.limit=null"
        for name, benchmark in config.eval.items()
        if benchmark.limit is not None and benchmark.size is not None and benchmark.limit > benchmark.size
    ]


def _part_name(group: str) -> Callable[[Config], list[str]]:
    """The name of a part of the user's choice, which its class does not see."""

    def rule(config: Config) -> list[str]:
        name = getattr(config, group).get("name")
        return [] if name is None or _is_name(name) else [f'{group}.name="{brief(name)}" must be {NAME_KIND}: {NAMES}']

    return rule


def _keys_are_names(config: Config) -> list[str]:
    named = {"eval": config.eval, "signal": config.signal, "reward.parts": config.reward.parts}
    return [
        f'{node}: the key "{brief(key)}" must be {NAME_KIND}: {NAMES}'
        for node, keys in named.items()
        for key in keys
        if not _is_name(key)
    ]


def _is_name(word: Any) -> bool:
    return isinstance(word, str) and re.fullmatch(NAME, word) is not None


def _zero_stage(config: Config) -> list[str]:
    zero = (config.deepspeed.config or {}).get("zero_optimization", {})
    if not isinstance(zero, Mapping) or zero.get("stage") in (None, 0, 1, 2, 3):
        return []
    return [f"deepspeed.config.zero_optimization.stage={zero.get('stage')} must be 0, 1, 2 or 3"]


def _nodes(config: Config) -> list[str]:
    launch, problems = config.launch, []
    if launch.num_ranks % launch.num_nodes:
        problems.append(
            f"launch.num_ranks={launch.num_ranks} (of all hosts) is not divisible by launch.num_nodes={launch.num_nodes}; "
            f"take launch.num_ranks={launch.num_nodes * math.ceil(launch.num_ranks / launch.num_nodes)}"
        )
    if launch.node_rank >= launch.num_nodes:
        problems.append(f"launch.node_rank={launch.node_rank} must be below launch.num_nodes={launch.num_nodes}")
    if launch.num_nodes > 1 and launch.rendezvous is None and launch.slurm is None:
        problems.append(
            "launch.rendezvous=null: several hosts need the first one's host:port, for example node0:29500; in an allocation "
            f"of SLURM's with {launch.num_nodes} hosts it is known"
        )
    return problems


def _saves_in_time(config: Config) -> list[str]:
    slurm, grace_s = config.launch.slurm, config.launch.grace_s
    if slurm is None or slurm.signal_delay_s > grace_s:
        return []
    return [
        f"launch.slurm.signal_delay_s={slurm.signal_delay_s} must be above launch.grace_s={grace_s:g}: a job is told so long "
        "before it is killed, and makes its checkpoint within launch.grace_s"
    ]


NAMES = "it names folders"
# Rules that tie keys together, and the groups whose values they look at.
RELATIONS = (
    *OF_TRAINING,
    ({"launch"}, _nodes),
    ({"launch"}, _saves_in_time),
    ({"template"}, _shows_question),
    ({"template"}, _stops_at_something),
    ({"template"}, _layout_takes_arguments),
    ({"template", "eval"}, _examples_say_something),
    ({"model"}, _date_is_one),
    ({"eval"}, _one_kind_of_shots),
    ({"eval"}, _is_evaluated),
    ({"eval"}, _samples_differ),
    ({"eval"}, _limit_within_size),
    ({"dataset"}, _part_name("dataset")),
    ({"selector"}, _part_name("selector")),
    ({"grader"}, _part_name("grader")),
    ({"eval", "signal", "reward"}, _keys_are_names),
    ({"deepspeed"}, _zero_stage),
)
