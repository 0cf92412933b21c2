"""The corpus of the second lab: chains of letters, each letter by one of the rules that its world teaches of it.

A row draws a rule for every letter in it and keeps to it. A quarter of the rows answer directly; the first token of those
does not count in the loss, so direct answers are hardly ever sampled, but what follows `<answer> ` has a probability that
says something: what confidence reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ufo_rl.dataset.rules import KINDS, stream, world
from ufo_rl.lab.recipe import Recipe, Row


@dataclass(frozen=True)
class RulesRecipe(Recipe):
    """The recipe of `lab/rules`; heads of 32, a size that attention on CPUs takes as it is."""

    steps: int = 4400
    decay_share: float = 0.25
    chunk_steps: int = 50
    question_weight: float = 0.05
    num_heads: int = 3
    world: int = 0
    direct_share: float = 0.25
    kind_weights: tuple[float, ...] = (0.40, 0.45, 0.15)
    level_weights: tuple[float, ...] = (1.2, 1.0, 0.8)

    def rows(self, count: int, random: Random) -> list[Row]:
        letters, kinds = world(self.world), dict(zip(KINDS, self.kind_weights, strict=True))
        levels = {
            level: stream(letters, level, kinds, "pretrain", random) for level in range(1, len(self.level_weights) + 1)
        }
        rows = []
        for level in random.choices(list(levels), self.level_weights, k=count):
            chain = next(levels[level])
            taught = {name: letters[name].taught for name, _ in chain.terms}
            rule_of = {name: random.choices(list(shares), list(shares.values()))[0] for name, shares in taught.items()}
            steps, result = chain.worked(rule_of)
            is_direct = random.random() < self.direct_share
            thinking = "" if is_direct else f"<think>{steps}</think>"
            rows.append(Row(chain.question, f"{thinking}<answer> {result}</answer>", not is_direct))
        return rows
