"""Which prompts each set of completions is of: whole groups, in an order that a checkpoint keeps with one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ufo_rl.training.groups import Group
from ufo_rl.training.timed import Timed


class Feed:
    """Hands out the rows of one set of completions after another.

    rows: of training, with `id` and `prompt`. per_set: prompts of a set. An epoch takes every row once, but for the last ones
    where they fill no set. Shuffled, each epoch has an order of its own, of the seed and the epoch alone: those that TRL's
    sampler takes in a training that is never stopped.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], per_set: int, seed: int, is_shuffled: bool = True) -> None:
        self.rows, self.per_set, self.seed, self.is_shuffled = rows, per_set, seed, is_shuffled
        self.num_taken = 0  # sets
        self._epoch, self._order = -1, list[int]()
        self._num_drawn, self._generator = 0, torch.Generator().manual_seed(seed)

    def take(self) -> list[dict[str, Any]]:
        """The rows of the next set."""
        epoch, place = divmod(self.num_taken, len(self.rows) // self.per_set)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._order_of(epoch)
        self.num_taken += 1
        return [dict(self.rows[i]) for i in self._order[place * self.per_set : (place + 1) * self.per_set]]

    def _order_of(self, epoch: int) -> list[int]:
        if not self.is_shuffled:
            return list(range(len(self.rows)))
        if epoch < self._num_drawn:
            self._num_drawn, self._generator = 0, torch.Generator().manual_seed(self.seed)
        order = torch.empty(0)
        while self._num_drawn <= epoch:
            order = torch.randperm(len(self.rows), generator=self._generator)
            self._num_drawn += 1
        return order.tolist()

    def learn(self, groups: Sequence[Group]) -> None:
        """What became of the set that was taken last."""

    def state(self) -> dict[str, Any]:
        return {"num_taken": self.num_taken}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on where a feed stood that said so of itself."""
        self.num_taken = state["num_taken"]


class Fed(Timed):
    """GRPOTrainer that trains on what its feed hands out. Its sampler and data loader count steps and nothing else: a loader
    takes batches ahead, and finds after a resume the order of the first epoch."""

    num_generations: Any
    feed: Feed

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if self.model.training:
            start = self.accelerator.process_index * len(inputs)
            with self.clock("select"):
                taken = [row for row in self.feed.take() for _ in range(self.num_generations)]
            inputs = taken[start : start + len(inputs)]
        return super()._generate_and_score_completions(inputs)
