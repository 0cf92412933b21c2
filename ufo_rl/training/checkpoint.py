"""Checkpoints that a training goes on from as if it had never stopped."""

from __future__ import annotations

import logging
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json
from ufo_rl.training.alarms import CURES, NOT_A_NUMBER, Alarms
from ufo_rl.training.drop import Dropping
from ufo_rl.training.policy import checkpoint_every
from ufo_rl.training.sound import OURS, by_step, seal
from ufo_rl.training.spending import Budgeted

log = logging.getLogger(__name__)
NOT_DRAWN = "probability tensor contains"  # torch.multinomial's words


class Checkpointed(Dropping, Budgeted):
    """TRL's trainer that goes on from a checkpoint as if it had never stopped.

    Model, optimizer, schedule and each rank's random numbers transformers keeps; what the feed has handed out and what has
    been counted stands in OURS. TRL's own completions and its count of backward passes no checkpoint holds: it is made only
    where a new cycle of `steps_per_generation` times `num_iterations` passes begins, so that neither is missed.

    keep: the newest checkpoints that stay; older ones go when a new one is whole. is_stopped: SIGTERM ended the training.
    until: the step after which it pauses, at the end of its cycle; is_paused: it has. alarms: what was usual so far outlives
    an interruption too.
    """

    keep = 1
    is_stopped = is_paused = False
    until: int | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.alarms = Alarms()
        self.add_callback(Boundaries(self))
        self._is_asked_to_stop = False

    def stop_at_boundary(self, number: int = 0, frame: Any = None) -> None:
        """Ask for a checkpoint at the next boundary, and the end of the training; a handler of signals."""
        self._is_asked_to_stop = True

    def _run_epoch(self, *arguments: Any, **named: Any) -> None:
        """Nothing, where the checkpoint is that of the last step: transformers would make one more."""
        is_over = self.state.global_step >= self.state.max_steps or self.is_spent
        self.is_paused = not is_over and self.is_due_to_pause
        if is_over or self.is_paused:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*arguments, **named)

    @property
    def is_due_to_pause(self) -> bool:
        return self.until is not None and self.state.global_step >= self.until

    def _generate(self, *arguments: Any, **named: Any) -> Any:
        """UserError where weights that are no numbers are why nothing can be drawn."""
        try:
            return super()._generate(*arguments, **named)
        except RuntimeError as error:
            if self._num_bad():
                raise self._not_finite() from error
            if NOT_DRAWN in str(error):  # finite weights, so large that what they compute is not
                raise self._not_finite("the policy's probabilities") from error
            raise

    def _refuse_not_finite(self) -> None:
        bad = torch.tensor(self._num_bad(), device=self.accelerator.device)
        if int(self.accelerator.reduce(bad, "sum")):  # pyright: ignore[reportArgumentType]
            raise self._not_finite()

    def _num_bad(self) -> int:
        """Weights with a nan or inf, of this rank's shard under ZeRO 3."""
        own = [getattr(one, "ds_tensor", one) for one in self.model.parameters()]
        return sum(not bool(one.isfinite().all()) for one in own)

    def _not_finite(self, what: str = "weights") -> UserError:
        words = f"{what} are nan or inf"
        self.tell("alarm", step=self.state.global_step, name=NOT_A_NUMBER, words=words, cure=CURES[NOT_A_NUMBER])
        return UserError(
            f"training ended at step {self.state.global_step}, {NOT_A_NUMBER}: {words}; the checkpoint before is kept; "
            f"{CURES[NOT_A_NUMBER]}"
        )

    def asked_to_stop(self) -> bool:
        """Whether any rank was asked to, the same answer on all: they must stop after the same step."""
        asked = torch.tensor(int(self._is_asked_to_stop), device=self.accelerator.device)
        return bool(int(self.accelerator.reduce(asked, "sum")))  # pyright: ignore[reportArgumentType]

    def state_to_keep(self) -> dict[str, Any]:
        spent = {"generated_tokens": self.generated_tokens, "seconds": self.seconds}
        return {"feed": self.feed.state(), **spent, "alarms": self.alarms.state()}

    def load_kept(self, kept: Mapping[str, Any]) -> None:
        self.feed.load(kept["feed"])
        self.generated_tokens, self.seconds = kept["generated_tokens"], kept["seconds"]
        self.alarms.load(kept.get("alarms"))

    def go_on_from(self, checkpoint: Path) -> None:
        """Take the state that a checkpoint holds besides what transformers loads."""
        self.load_kept(read_json(checkpoint / OURS))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """UserError where a weight is no number: a checkpoint of it would replace a sound one."""
        self._refuse_not_finite()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            work = Path(str(self.args.output_dir))
            seal(work / f"checkpoint-{self.state.global_step}", self.state_to_keep())
            _rotate(work, self.keep)
        self.accelerator.wait_for_everyone()  # no rank ends before the checkpoint is whole


def _rotate(work: Path, keep: int) -> None:
    for path in by_step(work)[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


class Boundaries(TrainerCallback):
    """Puts a checkpoint that is due off to the end of a cycle, and ends the training there where that is asked for."""

    def __init__(self, trainer: Checkpointed) -> None:
        self.trainer, self.is_due = trainer, False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # a training that is shorter than train.save_steps is not lost whole when it is interrupted
        state.save_steps = checkpoint_every(state.save_steps, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        is_last, is_due = control.should_training_stop, control.should_save or self.is_due
        if is_last:  # saved, whatever ended it: the policy is still to be written
            control.should_save = args.save_strategy != "no" or self.trainer.asked_to_stop()
            return
        control.should_save = is_due and not self.trainer.is_between_passes
        self.is_due = is_due and not control.should_save
        if self.trainer.is_between_passes:
            return
        if self.trainer.asked_to_stop():
            log.info("asked to stop: a checkpoint of step %d", state.global_step)
            control.should_save = control.should_training_stop = self.trainer.is_stopped = True
        elif self.trainer.is_due_to_pause:
            control.should_save = control.should_training_stop = self.trainer.is_paused = True


def stop_on_sigterm(trainer: Checkpointed) -> None:
    """From here on SIGTERM asks for a checkpoint first; who cannot wait for it kills."""
    signal.signal(signal.SIGTERM, trainer.stop_at_boundary)
