"""Policies that are evaluated while they train: the training pauses at a checkpoint, from which it goes on as if it had not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Train
from ufo_rl.files.atomic import read_json, write_json

Evaluate = Callable[[Path, int], dict[str, float]]  # a policy and its steps; the accuracy on each benchmark
STEP = "step"


class OnTheWay:
    """work: where what is known so far outlives an interruption, beside the checkpoints."""

    def __init__(self, settings: Train, work: Path, evaluate: Evaluate) -> None:
        self.every, self.best_by, self.evaluate = settings.eval_steps, settings.best_by, evaluate
        self._file, self._best = work / "evaluations.json", work / "best"

    def train(self, trained: Callable[[int | None], dict[str, Any]], policy: Path) -> dict[str, Any]:
        """Train to the end, with the pauses that are due; what the last rank's result says, and what was found on the way.

        trained: train from where it stands, until a step or the end, and save to `policy`. The best policy, where it is not
        the last, lies beside that as `best`.
        """
        while "paused_at" in (result := trained(self._next())):
            self._look(policy, result["paused_at"])
            shutil.rmtree(policy)
        if self.every is None:
            return result
        steps, by = result["steps"], self.best_by
        if by is None:
            return {**result, "evaluations": self._known()}
        self._look(policy, steps)
        known = self._known()
        best = max(known, key=lambda one: (one[by], -one[STEP]))
        if best[STEP] != steps:
            shutil.move(self._best, policy.with_name("best"))
        return {**result, "evaluations": known, "best": {STEP: best[STEP], "by": by}}

    def _next(self) -> int | None:
        if self.every is None:
            return None
        return (max((one[STEP] for one in self._known()), default=0) // self.every + 1) * self.every

    def _known(self) -> list[dict[str, Any]]:
        return read_json(self._file) if self._file.is_file() else []

    def _look(self, policy: Path, step: int) -> None:
        found = self.evaluate(policy, step)
        known = [one for one in self._known() if one[STEP] != step]
        if self.best_by is not None and all(found[self.best_by] > one[self.best_by] for one in known):
            shutil.rmtree(self._best, ignore_errors=True)
            shutil.copytree(policy, self._best)
        write_json(self._file, [*known, {STEP: step, **found}])
