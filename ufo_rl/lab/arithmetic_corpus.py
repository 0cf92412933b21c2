"""The corpus of the first lab: arithmetic in three styles, of which the quick ones are less reliable.

An endless stream of problems from the `pretrain` split, answered directly, with short thinking (two operations per step) and
with long thinking (one per step, more reliable). The model prefers the quick styles, so reinforcement learning has something
real to elicit. Training stops before the steps are free of errors.

Rows of similar length share a batch and the loss is a mean over the tokens of a batch, so short rows weigh more than their
share: the shipped model starts about half of its answers directly, not 30 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ufo_rl.dataset.arithmetic import Problem, stream
from ufo_rl.lab.recipe import Recipe, Row

STYLES = ("direct", "short", "long")


@dataclass(frozen=True)
class ArithmeticRecipe(Recipe):
    """The recipe of `lab/tiny`."""

    style_weights: tuple[float, ...] = (0.30, 0.45, 0.25)
    level_weights: tuple[float, ...] = (2.0, 1.6, 1.2, 1.0, 0.8, 0.6)

    def rows(self, count: int, random: Random) -> list[Row]:
        levels = {level: stream(level, "pretrain", random) for level in range(1, len(self.level_weights) + 1)}
        rows = []
        for level in random.choices(list(levels), self.level_weights, k=count):
            problem = next(levels[level])
            style = random.choices(STYLES, self.style_weights)[0]
            rows.append(Row(problem.question, completion(problem, style)))
        return rows


def completion(problem: Problem, style: str) -> str:
    """The assistant's turn in one of the STYLES."""
    answer = f"<answer> {problem.answer}</answer>"
    if style == "direct":
        return answer
    return f"<think>{problem.worked(operations_per_step=2 if style == 'short' else 1)}</think>{answer}"
