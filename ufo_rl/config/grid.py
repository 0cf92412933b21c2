"""The jobs of a sweep, as Hydra's basic sweeper makes them: every combination of the values, the last key fastest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from hydra.core.override_parser.types import Override, RangeSweep

from ufo_rl.errors import Problems, UserError

MAX_JOBS = 10_000  # of one sweep: more are a slip, and each is composed before the first starts


def grid(overrides: Sequence[Override]) -> list[list[str]]:
    """The overrides of each job. A key that is given again takes its later values at its first place. UserError for values
    that make no job, the same job twice, or too many."""
    problems, asked = Problems(), {override.get_key_element(): override for override in overrides}
    choices = [problems.attempt(texts_of, override) or [] for override in asked.values()]
    problems.raise_any()
    if (count := math.prod(map(len, choices))) > MAX_JOBS:
        swept = ", ".join(f"{key} {len(texts)}" for key, texts in zip(asked, choices, strict=True) if len(texts) > 1)
        raise UserError(f"the sweep has {count:,} jobs ({swept} values), {MAX_JOBS:,} at most; ask for fewer values")
    return [list(job) for job in itertools.product(*choices)]


def texts_of(override: Override) -> list[str]:
    """The override with each of its values. UserError where it has none, one twice, or no list of values."""
    key, line = override.get_key_element(), override.input_line
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise UserError(f"{line}: an interval has no list of values; write {key}=a,b or {key}=range(a,b)")
    if isinstance(sweep := override.value(), RangeSweep):
        _check_range(sweep, line)
    values = list(override.sweep_string_iterator())
    if not values:
        cure = "ends before it begins" if isinstance(sweep, RangeSweep) else "matches no option"
        raise UserError(f"{line}: no value, and so no job: it {cure}; write {key}=a,b")
    if doubled := [value for number, value in enumerate(values) if value in values[:number]]:
        raise UserError(f"{line}: {doubled[0]} is there twice; give each value once")
    return [f"{key}={value}" for value in values]


def _check_range(sweep: RangeSweep, line: str | None) -> None:
    """A range can be endless, or too long to be listed."""
    start, stop, step = (float(bound) for bound in (sweep.start or 0, sweep.stop or 0, sweep.step))
    if step == 0 or not all(map(math.isfinite, (start, stop, step))):
        raise UserError(
            f"{line}: a range takes finite bounds and a step other than 0; write key=range(start,stop,step)"
        )
    if (stop - start) / step > MAX_JOBS:
        raise UserError(f"{line}: {(stop - start) / step:,.0f} values, {MAX_JOBS:,} at most; ask for fewer")
