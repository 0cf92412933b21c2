"""TRL's trainer, telling where the time of a step goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer

METRIC = "time/{}"  # seconds a step


class Timed(GRPOTrainer):
    """GRPOTrainer whose lines of metrics say how many seconds of a step, of the first rank, went into `select` (next prompts, a
    refresh), `generate`, `reward`, `logprobs` (of the old policy and the reference, advantages), `update` (forward and
    backward), `rollouts` (tables of completions) and `save`. What runs inside another counts there alone. On a GPU an update
    is counted until it is queued."""

    model: Any
    sign: Callable[[str], None] = staticmethod(lambda words: None)  # of life, to the parent

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._seconds, self._inside = defaultdict[str, float](float), 0.0
        self._logged: int | None = None  # the step of the last line; a training may go on from a checkpoint
        super().__init__(*arguments, **named)

    @property
    def is_between_passes(self) -> bool:
        """Whether the completions in use have passes to come."""
        settings: Any = self.args
        return self._step % (settings.steps_per_generation * self.num_iterations) != 0

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Count the seconds of the block, without those of clocks inside it."""
        self.sign(f"{name}, step {self.state.global_step + 1}")
        began, around, self._inside = time.perf_counter(), self._inside, 0.0
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self._seconds[name] += took - self._inside
            self._inside = around + took

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        self._logged = self.state.global_step if self._logged is None else self._logged
        with self.clock("update"):
            return super().training_step(*arguments, **named)

    def _generate_and_score_completions(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        with self.clock("logprobs"):
            return super()._generate_and_score_completions(*arguments, **named)

    def _generate(self, *arguments: Any, **named: Any) -> Any:
        with self.clock("generate"):
            return super()._generate(*arguments, **named)

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> torch.Tensor:
        with self.clock("reward"):
            return super()._calculate_rewards(*arguments, **named)

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        with self.clock("save"):
            super()._save_checkpoint(*arguments, **named)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        steps = self.state.global_step - (self._logged or 0)
        if self.model.training and steps > 0:
            for name, seconds in self._seconds.items():
                self._metrics["train"][METRIC.format(name)] = [seconds / steps]
            self._seconds.clear()
            self._logged = self.state.global_step
        super().log(logs, start_time)
