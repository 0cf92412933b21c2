"""Where prompts come from: every source is a small class with a method `load`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Protocol

from ufo_rl.records import Drop, Pool


class Dataset(Protocol):
    """A source of prompts, built from a YAML node: `_target_` names the class, the other keys are its arguments."""

    def load(self, data: Path | None = None) -> Pool:
        """All prompts of the source. `data` is the folder of local files, None for the hub; sources of neither ignore it.

        Raises UserError where the source is missing or a row is unusable.
        """
        ...


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
