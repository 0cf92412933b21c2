"""From a resolved plain configuration to the typed one, with every problem told."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ufo_rl.config.kinds import keys_of
from ufo_rl.config.messages import sentences
from ufo_rl.config.rules import RELATIONS
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError


def load(plain: Mapping[str, Any]) -> Config:
    """The typed configuration of a resolved plain mapping. Raises UserError with every problem, not the first."""
    config, problems, _ = examine(plain)
    if problems:
        raise UserError(*problems)
    return config


def examine(plain: Mapping[str, Any], unused: Collection[str] = ()) -> tuple[Config, list[str], set[str]]:
    """The typed configuration as far as it can be read, every problem, and the groups (top-level keys) whose values
    are wrong and must not be used: they are None. No rule is asked that looks at a group of `unused`."""
    problems: list[str] = []
    wrong: set[str] = set()
    try:
        config = _adapter(Config).validate_python(dict(plain))
    except ValidationError as error:
        problems += sentences(error, Config)
        wrong = {str(one["loc"][0]) for one in error.errors()}
        kinds = keys_of(Config)
        sound = {name: _adapter(kinds[name]).validate_python(plain[name]) for name in kinds if name not in wrong}
        config = Config(**{name: sound.get(name) for name in kinds})  # pyright: ignore[reportArgumentType]
    for groups, relation in RELATIONS:
        if not (wrong | set(unused)) & groups:
            problems += relation(config)
    return config, problems, wrong


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
