"""From a node of reward.parts to what TRL can call: a class with __call__, or a plain function, sync or async."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ufo_rl.config.build import LABEL, build, part_class
from ufo_rl.errors import UserError, nearest
from ufo_rl.reward.columns import GIVEN, RewardColumns
from ufo_rl.reward.completion_text import until

Rewards = list[float | None]
WEIGHT = "weight"


@dataclass(frozen=True)
class Part:
    """One part of the reward. `arguments` are the YAML's own for a plain function."""

    name: str
    weight: float
    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> list[inspect.Parameter]:
        """Those that are left for the trainer to fill."""
        return [p for p in inspect.signature(self.function).parameters.values() if p.name not in self.arguments]

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(type(self.function).__call__)

    def call(self, given: Mapping[str, Any]) -> Any:
        """Its rewards, or their coroutine, from those of the given values that it names; all where it has `**columns`."""
        takes_all = any(p.kind is p.VAR_KEYWORD for p in self.parameters)
        names = {p.name for p in self.parameters}
        return self.function(
            **{k: v for k, v in given.items() if (takes_all or k in names) and k not in self.arguments},
            **self.arguments,
        )

    def check_needs(self, columns: Iterable[str]) -> None:
        """UserError where it asks for a column that the prompts do not have."""
        known = list(columns)
        required = [
            p.name for p in self.parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        problems = [
            f"reward.parts.{self.name} asks for the column {name}, which the dataset has not"
            f"{nearest(name, [*known, *GIVEN])} (columns: {', '.join(known)}; TRL's: {', '.join(GIVEN)})"
            for name in required
            if name not in (*known, *GIVEN)
        ]
        if problems:
            raise UserError(*problems)


def build_parts(nodes: Mapping[str, Mapping[str, Any]], plugins: Sequence[str] = (), **offered: Any) -> list[Part]:
    return [build_part(name, node, plugins, **offered) for name, node in nodes.items()]


def build_part(name: str, node: Mapping[str, Any], plugins: Sequence[str] = (), **offered: Any) -> Part:
    """The part that the node reward.parts.NAME describes.

    Its keys are arguments of the class or function that `_target_` names; `weight` is the factor in the total reward and
    handed on only where there is such a parameter. `offered` (the run's grader) goes to parts with a parameter of that
    name. Raises UserError with the key.
    """
    key = f"reward.parts.{name}"
    target = part_class(node, key, plugins)
    names = inspect.signature(target).parameters
    own = {k: v for k, v in node.items() if k != WEIGHT or WEIGHT in names}
    extra = {k: v for k, v in offered.items() if k in names}
    if inspect.isclass(target):
        function, arguments = build(own, key, plugins, **extra), {}
        if not callable(function):
            raise UserError(f"{key}._target_={node['_target_']} has no __call__(prompts, completions, **columns)")
    else:
        function, arguments = target, {k: v for k, v in own.items() if k not in ("_target_", LABEL)} | extra
        _check_arguments(key, arguments, names)
    part = Part(name, _weight(key, node, function), function, arguments)
    if by_place := [p.name for p in part.parameters if p.kind is p.POSITIONAL_ONLY]:
        raise UserError(f"{key}: {', '.join(by_place)} must be allowed by name, as TRL passes everything")
    return part


def _check_arguments(key: str, arguments: Mapping[str, Any], names: Mapping[str, inspect.Parameter]) -> None:
    free = [n for n, p in names.items() if n not in GIVEN and p.kind is not p.VAR_KEYWORD]
    unknown = [k for k in arguments if k not in free]
    if unknown:
        raise UserError(
            *[f"{key}.{k}: unknown key{nearest(k, free)} (keys here: {', '.join([WEIGHT, *free])})" for k in unknown]
        )


def _weight(key: str, node: Mapping[str, Any], function: Any) -> float:
    weight = node.get(WEIGHT, getattr(function, WEIGHT, None))
    if weight is None:
        raise UserError(f"{key}.weight is missing: the factor of the part in the total reward, a number")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise UserError(f"{key}.weight={weight} must be a number")
    return float(weight)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say whose fault it was."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise RuntimeError(f"reward.parts.{name} raised {type(error).__name__}: {error}") from error


def for_trl(part: Part, columns: RewardColumns, stop: Sequence[str] = ()) -> Callable[..., Any]:
    """The function that TRL calls, known to its logs by the part's name. stop: texts at which completions end for it."""

    def given(of_trl: Mapping[str, Any]) -> dict[str, Any]:
        completions = [until(one, stop) for one in of_trl["completions"]] if stop else of_trl["completions"]
        return {**columns.of(of_trl["id"]), **of_trl, "completions": completions}

    def reward(**of_trl: Any) -> Rewards:
        with _told(part.name):
            return part.call(given(of_trl))

    async def later(**of_trl: Any) -> Rewards:
        with _told(part.name):
            return await part.call(given(of_trl))

    function = later if part.is_async else reward
    function.__name__ = part.name
    return function
