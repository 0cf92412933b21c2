"""From a resolved plain configuration to the typed one, with every problem told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ufo_rl.config.rules import RELATIONS
from ufo_rl.config.schema import Config
from ufo_rl.config.typed import read
from ufo_rl.errors import UserError


def load(plain: Mapping[str, Any]) -> Config:
    """The typed configuration of a resolved plain mapping. Raises UserError with every problem, not the first."""
    config, problems, _ = examine(plain)
    if problems:
        raise UserError(*problems)
    return config


def examine(plain: Mapping[str, Any]) -> tuple[Config, list[str], set[str]]:
    """The typed configuration as far as it can be read, every problem, and the groups (top-level keys) whose values
    are wrong and must not be used."""
    problems: list[str] = []
    config = read(Config, plain, "", problems)
    wrong = {match[0] for problem in problems if (match := re.match(r"\w+", problem))}
    for groups, relation in RELATIONS:
        if not wrong & groups:
            problems += relation(config)
    return config, problems, wrong
