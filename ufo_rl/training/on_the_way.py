"""Policies that are evaluated while they train: the training pauses at a checkpoint, from which it goes on as if it had not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Train
from ufo_rl.files.atomic import read_json, write_json
from ufo_rl.training.sound import last_checkpoint, remove_damaged, step_of

Evaluate = Callable[[Path, int], dict[str, float]]  # a policy and its steps; the accuracy on each benchmark
STEP, ACCURACY = "step", "accuracy"


class OnTheWay:
    """work: where what is known so far outlives an interruption, beside the checkpoints."""

    def __init__(self, settings: Train, work: Path, evaluate: Evaluate) -> None:
        self.every, self.best_by, self.work, self.evaluate = settings.eval_steps, settings.best_by, work, evaluate

    def train(self, trained: Callable[[int | None], dict[str, Any]], policy: Path) -> dict[str, Any]:
        """Train to the end, with the pauses that are due; what the rank's results say together, and what was found on the way.

        trained: train from where it stands, until a step or the end, and save to `policy`. The best policy, where it is not
        the last, lies beside that as `best`.
        """
        parts = [self._part(trained)]
        while "paused_at" in parts[-1]:
            self._look(policy, parts[-1]["paused_at"], is_last=False)
            shutil.rmtree(policy)
            parts.append(self._part(trained))
        last = parts[-1]
        if self.every is None:
            return last
        self._look(policy, last["steps"], is_last=True)
        known = self._known()
        together = {
            "seconds": sum(part["seconds"] for part in parts),
            "peak_memory_gib": max(part["peak_memory_gib"] or 0.0 for part in parts) or None,
            "resumed": parts[0]["resumed"],
            "evaluations": known,
        }
        by = self.best_by
        if by is None:
            return {**last, **together}
        there = [one for one in known if one[STEP] == last["steps"] or self._best(one[STEP]).is_dir()]
        step = max(there, key=lambda one: (one[ACCURACY][by], -one[STEP]))[STEP]
        if step != last["steps"]:  # a copy: whoever is killed before this is published needs it again
            shutil.copytree(self._best(step), policy.with_name("best"))
        return {**last, **together, "best": {STEP: step, "by": by}}

    def _part(self, trained: Callable[[int | None], dict[str, Any]]) -> dict[str, Any]:
        """Until the next pause, from a checkpoint that is as it was saved."""
        remove_damaged(self.work)
        self._forget_lost_steps()
        if self.every is None:
            return trained(None)
        return trained((max((one[STEP] for one in self._known()), default=0) // self.every + 1) * self.every)

    @property
    def _file(self) -> Path:
        return self.work / "evaluations.json"

    def _best(self, step: int) -> Path:
        return self.work / f"best-{step}"

    def _known(self) -> list[dict[str, Any]]:
        return read_json(self._file) if self._file.is_file() else []

    def _forget_lost_steps(self) -> None:
        """Those beyond the checkpoint that is gone on from: on some machines they come out otherwise."""
        newest = last_checkpoint(self.work)
        reached = 0 if newest is None else step_of(newest)
        known = self._known()
        lost = [one[STEP] for one in known if one[STEP] > reached]
        if lost:
            write_json(self._file, [one for one in known if one[STEP] <= reached])
        for step in lost:
            shutil.rmtree(self._best(step), ignore_errors=True)

    def _look(self, policy: Path, step: int, is_last: bool) -> None:
        """Evaluate, and keep the policy where it is better than the one that is kept; the last one stays anyway."""
        found = self.evaluate(policy, step)
        known, by = [one for one in self._known() if one[STEP] != step], self.best_by
        kept = [one for one in known if self._best(one[STEP]).is_dir()]
        is_best = not is_last and by is not None and all(found[by] > one[ACCURACY][by] for one in kept)
        if is_best:
            shutil.rmtree(self._best(step), ignore_errors=True)
            shutil.copytree(policy, self._best(step))
        write_json(self._file, [*known, {STEP: step, ACCURACY: found}])
        for old in kept if is_best else ():
            shutil.rmtree(self._best(old[STEP]))
