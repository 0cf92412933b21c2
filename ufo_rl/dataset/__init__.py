"""Where prompts come from: every source is a small class with a method `load`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

from ufo_rl.errors import UserError
from ufo_rl.records import Drop, Pool, Reference

# More bad rows than this and the mapping is wrong, not the rows.
MAX_NAMED_ROWS = 20
SHOWN_CHARS = 60  # of an answer in a message


class Dataset(Protocol):
    """A source of prompts, built from a YAML node: `_target_` names the class, the other keys are its arguments."""

    def load(self, data: Path | None = None) -> Pool:
        """All prompts of the source. `data` is the folder of local files, None for the hub; sources of neither ignore it.

        Raises UserError where the source is missing; unusable rows are listed in the pool.
        """
        ...


def refuse_unusable(pool: Pool, problem_of: Callable[[Reference], str]) -> None:
    """Raises UserError naming every unusable row (the first 20 and their number): those that the dataset listed, and those
    whose reference answer the task's grader could never find right."""
    bad = list(pool.unusable)
    for prompt, where in zip_longest(pool.prompts, pool.places, fillvalue=""):
        assert not isinstance(prompt, str)
        if problem := problem_of(prompt.reference):
            shown = " ".join(prompt.answer.split())
            shown = shown if len(shown) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}..."
            bad.append(f'{where or prompt.id}: the reference answer "{shown}" cannot be graded: {problem}')
    if not bad:
        return
    rest = [f"... and {len(bad) - MAX_NAMED_ROWS} more rows"] if len(bad) > MAX_NAMED_ROWS else []
    raise UserError(
        f"{pool.source}: {len(bad)} of {pool.num_rows} rows unusable; mend or remove them:",
        *bad[:MAX_NAMED_ROWS],
        *rest,
    )


def count_drops(drops: list[Drop]) -> dict[str, int]:
    """How many rows left the pool, by reason, in order of first appearance."""
    return dict(Counter(drop.reason for drop in drops))


def list_drops(drops: list[Drop], limit: int) -> list[Drop]:
    """The first `limit` drops of every reason: the raw DAPO-Math-17k alone has 1.77 million duplicates."""
    listed: Counter[str] = Counter()
    kept = []
    for drop in drops:
        listed[drop.reason] += 1
        if listed[drop.reason] <= limit:
            kept.append(drop)
    return kept
