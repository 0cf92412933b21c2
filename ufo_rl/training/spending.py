"""TRL's trainer, ended by what it has spent and not by a number of steps: generated tokens, or seconds."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import torch
from accelerate.utils import broadcast
from transformers import TrainerCallback
from transformers.optimization import get_scheduler

from ufo_rl.config.training_schema import SPENT
from ufo_rl.training.accounted import Accounted

GENERATED_TOKENS, SECONDS = SPENT
ENDLESS = 10**9  # steps
PARTS = 10**6  # that a schedule of the step size is divided into


class TrainBudget(NamedTuple):
    """unit: GENERATED_TOKENS or SECONDS."""

    unit: str
    amount: float


class Budgeted(Accounted):
    """GRPOTrainer that ends with the step in which its budget is spent (of tokens: with the last pass over them), and whose
    step size follows the spent share of it.

    Tokens are those of all completions; seconds those of steps, from the first rank's clock: no start, checkpoint, evaluation
    or time between two attempts counts, nor what was lost with a step that is made again.
    """

    budget: TrainBudget | None = None  # None where steps are counted
    seconds = 0.0  # of all steps so far

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.add_callback(_Spending(self))

    @property
    def spent(self) -> float:
        return self.generated_tokens if self.budget and self.budget.unit == GENERATED_TOKENS else self.seconds

    @property
    def share(self) -> float:
        """Of the budget that is spent, at most 1."""
        return min(1.0, self.spent / self.budget.amount) if self.budget else 0.0

    @property
    def is_spent(self) -> bool:
        """The last passes over completions cost no token more."""
        is_over = self.budget is not None and self.share >= 1.0
        return is_over and (self.budget is None or self.budget.unit == SECONDS or not self.is_between_passes)

    def how_far(self) -> dict[str, Any]:
        """done, total and unit of the progress."""
        if self.budget is None:
            return {"done": self.state.global_step, "total": self.state.max_steps, "unit": "steps"}
        amount, digits = self.budget.amount, 10 if self.budget.unit == SECONDS else 1
        done = math.floor(digits * min(self.spent, amount)) / digits  # whole when it is spent, not before
        done, amount = (int(one) if one == int(one) else one for one in (done, amount))
        return {"done": done, "total": amount, "unit": self.budget.unit.replace("_", " ")}

    def count_seconds(self, seconds: float) -> None:
        """Of a step; every rank takes the first one's word, so that all end after the same step."""
        self.seconds += seconds
        if self.budget is not None and self.accelerator.num_processes > 1:
            told = torch.tensor([self.seconds], dtype=torch.float64, device=self.accelerator.device)
            self.seconds = float(broadcast(told)[0])  # pyright: ignore[reportIndexIssue]

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.budget is None or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        settings: Any = self.args
        own: Any = self.optimizer if optimizer is None else optimizer
        made: Any = get_scheduler(
            settings.lr_scheduler_type,
            own,
            num_warmup_steps=round(settings.warmup_steps * PARTS),
            num_training_steps=PARTS,
            scheduler_specific_kwargs=settings.lr_scheduler_kwargs,
        )
        made.lr_lambdas = [lambda _, at=at: at(round(self.share * PARTS)) for at in made.lr_lambdas]
        self.lr_scheduler, self._created_lr_scheduler = made, True
        return made


class _Spending(TrainerCallback):
    """Counts the seconds of steps, and ends the training when its budget is spent."""

    def __init__(self, trainer: Budgeted) -> None:
        self.trainer, self.began, self.part, self.num_parts = trainer, 0.0, 0, 3.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.num_parts = 1 / args.save_steps if args.save_steps < 1 else 3.0
        self.part = math.floor(self.num_parts * self.trainer.share)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.began = time.monotonic()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # before the schedule moves on
        self.trainer.count_seconds(time.monotonic() - self.began)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.trainer.is_spent:
            control.should_training_stop = True
        if self.trainer.budget is not None and args.save_strategy != "no":
            part = math.floor(self.num_parts * self.trainer.share)  # of the budget: its steps nobody knows
            control.should_save = control.should_save or part > self.part
            self.part = part
