"""A selection that follows the model: the kept prompts are chosen anew every so many steps, and the feed hands out those."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ufo_rl.config.schema import Refresh
from ufo_rl.training.feed import Feed
from ufo_rl.training.groups import Group

EXPLORING, SHUFFLING = 1, 2  # what numbers of a seed are drawn for


@dataclass(frozen=True)
class Chosen:
    """ids: of the prompts to keep. facts: numbers for the journal, by name."""

    ids: list[str]
    facts: dict[str, float]


class Chooser(Protocol):
    """What decides anew. Every rank must come to the same choice."""

    def choose(self, number: int) -> Chosen:
        """The kept prompts of the refresh of this number, from 1 on."""
        ...

    def learn(self, groups: Sequence[Group]) -> None: ...

    def state(self) -> dict[str, Any]: ...

    def load(self, state: Mapping[str, Any]) -> None: ...


class MovingFeed(Feed):
    """rows: of the whole pool. kept: the ids to begin with. step: how many steps are done. tell: the journal's."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        kept: Sequence[str],
        per_set: int,
        seed: int,
        settings: Refresh,
        chooser: Chooser,
        step: Callable[[], int],
        tell: Callable[..., Any],
    ) -> None:
        super().__init__(rows, per_set, seed)
        self.by_id = {row["id"]: row for row in rows}
        self.settings, self.chooser, self.step, self.tell = settings, chooser, step, tell
        self.kept = list(kept)
        self.num_refreshes, self.last, self.since = 0, 0, 0  # refreshes, step of the last, sets since then

    def take(self) -> list[dict[str, Any]]:
        """A set of kept prompts, in passes over all of them; in the place of its last ones, by `explore`, others."""
        if self.settings.every is not None and self.step() // self.settings.every > self.last // self.settings.every:
            self._refresh()
        epoch, place = divmod(self.since, max(1, len(self.kept) // self.per_set))
        generator = np.random.default_rng([self.seed, SHUFFLING, self.num_refreshes, epoch])
        order = generator.permutation(np.array(sorted(self.kept))).tolist()
        ids = order[place * self.per_set : (place + 1) * self.per_set]
        found = self._explored()
        ids[len(ids) - len(found) :] = found
        self.num_taken, self.since = self.num_taken + 1, self.since + 1
        return [dict(self.by_id[id]) for id in ids]

    def _explored(self) -> list[str]:
        """Of the prompts that are not kept, so many that over all sets their share is `explore`."""
        share = self.settings.explore * self.per_set
        count = int((self.num_taken + 1) * share + 1e-9) - int(self.num_taken * share + 1e-9)
        others = sorted(self.by_id.keys() - set(self.kept))
        generator = np.random.default_rng([self.seed, EXPLORING, self.num_taken])
        return generator.choice(others, min(count, len(others)), replace=False).tolist() if others and count else []

    def _refresh(self) -> None:
        self.num_refreshes += 1
        self.last, self.since = self.step(), 0
        chosen = self.chooser.choose(self.num_refreshes)
        before, after = set(self.kept), set(chosen.ids)
        self.kept = list(chosen.ids)
        self.tell(
            "refresh",
            step=self.last + 1,
            number=self.num_refreshes,
            entered=sorted(after - before),
            left=sorted(before - after),
            **{
                "refresh/kept": len(after),
                "refresh/overlap": len(after & before) / len(after | before),
                "refresh/entered": len(after - before),
                "refresh/left": len(before - after),
                **{f"refresh/{name}": value for name, value in chosen.facts.items()},
            },
        )

    def learn(self, groups: Sequence[Group]) -> None:
        self.chooser.learn(groups)

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "kept": self.kept,
            "num_refreshes": self.num_refreshes,
            "last": self.last,
            "since": self.since,
            "chooser": self.chooser.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.kept, self.num_refreshes, self.last, self.since = (
            state[name] for name in ("kept", "num_refreshes", "last", "since")
        )
        self.chooser.load(state["chooser"])
