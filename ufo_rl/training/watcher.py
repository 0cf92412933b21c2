"""What TRL tells of each step, handed on: metrics, alarms, how far the training is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from ufo_rl.errors import UserError
from ufo_rl.training.alarms import NOT_A_NUMBER, Alarms
from ufo_rl.training.trl_trainer import Trainer

MEAN_LENGTH = "completions/mean_length"  # tokens, TRL's metric
# What transformers tells of a whole training, in its last line.
RUN_TIMES = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos", "train_loss")
# What a line of the journal says itself; a reward may call a metric so (log_metric), and gets it under metric/.
OF_A_LINE = ("time", "stage", "attempt", "event", "step")


class Watcher(TrainerCallback):
    """Forwards TRL's metrics to the journal, and what is alarming in them."""

    def __init__(self, journal: Callable[..., Any]) -> None:
        self.journal = journal
        self.alarms = Alarms()
        self.trainer: Trainer | None = None  # None where steps are all there is to count

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or ("train_runtime" in logs and MEAN_LENGTH not in logs):
            return  # the closing line of the trainer holds run times, and steps only where some are not logged yet
        metrics = {
            f"metric/{name}" if name in OF_A_LINE else name: value
            for name, value in logs.items()
            if name not in RUN_TIMES
        }
        self.journal("metrics", step=state.global_step, **metrics)
        for alarm in self.alarms.look(metrics):
            self.journal("alarm", step=state.global_step, name=alarm.name, words=alarm.words, cure=alarm.cure)
            if alarm.name == NOT_A_NUMBER:
                raise UserError(
                    f"training ended at step {state.global_step}, {alarm.name}: {alarm.words}, and so would all weights be; "
                    f"the checkpoint before is kept; {alarm.cure}"
                )
        steps = {"done": state.global_step, "total": state.max_steps, "unit": "steps"}
        self.journal("progress", **(steps if self.trainer is None else self.trainer.how_far()))
