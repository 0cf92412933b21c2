"""Responses of the model's own: handed on while the rest is still generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from ufo_rl.engine import Sampling
from ufo_rl.records import Completion
from ufo_rl.signals import scorers


class Counting:
    """An engine that counts what it has made."""

    made = 0

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        for i in reversed(range(len(texts))):
            self.made += 1
            yield [(i, Completion(texts[i], [i], "stop"))]


def test_responses_come_while_others_are_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorers, "PART_S", 0.0)
    engine = Counting()
    parts = scorers.greedy(engine, ["a", "b", "c"], 4)
    assert [(i, said.text) for i, said in next(parts)] == [(2, "c")] and engine.made == 1
    assert [i for part in parts for i, _ in part] == [1, 0]


def test_quick_responses_come_together() -> None:
    (part,) = scorers.greedy(Counting(), ["a", "b", "c"], 4)
    assert [i for i, _ in part] == [2, 1, 0]
