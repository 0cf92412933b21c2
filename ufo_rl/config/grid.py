"""The jobs of a sweep, as Hydra's basic sweeper makes them: every combination of the values, the last key fastest."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hydra.core.override_parser.types import Override

from ufo_rl.errors import UserError


def grid(overrides: Sequence[Override]) -> list[list[str]]:
    """The overrides of each job. A key that is given again takes its later values at its first place."""
    choices = {override.get_key_element(): _texts(override) for override in overrides}
    return [list(job) for job in itertools.product(*choices.values())]


def _texts(override: Override) -> list[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line}: an interval has no list of values; write key=a,b or key=range(a,b)")
    return [f"{key}={text}" for text in override.sweep_string_iterator()]
