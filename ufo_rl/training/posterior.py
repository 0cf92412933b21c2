"""A Beta posterior of each prompt's pass rate, from the rewards of training itself, and the draw that chooses by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ufo_rl.config.schema import Refresh
from ufo_rl.training.groups import Group
from ufo_rl.training.moving_feed import Chosen

THOMPSON = 3  # what numbers of a seed are drawn for
LEAST = 0.01  # that a stored pass rate is taken for: no evidence before training is certain


class Posterior:
    """alpha and beta of each prompt: alpha <- memory alpha + (1 - memory) alpha0 + right completions, beta likewise with wrong
    ones (MoPPS, arXiv 2507.04632), where alpha0 = prior p, beta0 = prior (1 - p), p the stored pass rate or confidence.

    Kept are the prompts whose draw from their posterior lies nearest to 0.5. ease: p by prompt, 0.5 where nothing is known.
    """

    def __init__(self, ease: Mapping[str, float], num_kept: int, group: int, settings: Refresh, seed: int) -> None:
        self.ids = sorted(ease)
        self.place = {id: n for n, id in enumerate(self.ids)}
        p = np.clip([ease[id] for id in self.ids], LEAST, 1 - LEAST)
        self.start_N2 = settings.prior * np.stack([p, 1 - p], 1)
        self.now_N2 = self.start_N2.copy()
        self.num_kept, self.group, self.memory, self.seed = num_kept, group, settings.memory, seed

    def choose(self, number: int) -> Chosen:
        generator = np.random.default_rng([self.seed, THOMPSON, number])
        draw = generator.beta(self.now_N2[:, 0], self.now_N2[:, 1])
        kept = np.sort(np.argsort(np.abs(draw - 0.5), kind="stable")[: self.num_kept])
        alpha, beta = self.now_N2[kept].T
        facts = {
            "pass_rate": float((alpha / (alpha + beta)).mean()),
            "live": float(live(alpha, beta, self.group).mean()),
        }
        return Chosen([self.ids[i] for i in kept], facts)

    def learn(self, groups: Sequence[Group]) -> None:
        for group in groups:
            i, right = self.place[group.id], group.right
            seen = np.array([right, len(group.rewards) - right])
            self.now_N2[i] = self.memory * self.now_N2[i] + (1 - self.memory) * self.start_N2[i] + seen

    def state(self) -> dict[str, Any]:
        return {"now": self.now_N2.tolist()}

    def load(self, state: Mapping[str, Any]) -> None:
        self.now_N2 = np.array(state["now"])


def live(alpha: np.ndarray, beta: np.ndarray, group: int) -> np.ndarray:
    """Chance that a group of so many completions is neither all right nor all wrong, under Beta(alpha, beta):
    1 - prod (alpha + i) / (alpha + beta + i) - prod (beta + i) / (alpha + beta + i), i < group."""
    steps = np.arange(group)
    total = (alpha + beta)[..., None] + steps
    right, wrong = (((one[..., None] + steps) / total).prod(-1) for one in (alpha, beta))
    return 1 - right - wrong
