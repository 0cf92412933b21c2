"""What a training will do, in numbers that the run itself will count: steps, sets of completions, completions, tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ufo_rl.config.training_schema import Train


@dataclass(frozen=True)
class Amounts:
    """kept: prompts that are trained on. steps, sets, completions: None where the budget is of tokens or seconds.

    arithmetic: how they come about, a line each."""

    kept: int
    per_set: int
    steps: int | None
    sets: int | None
    completions: int | None
    max_tokens: int | None
    arithmetic: tuple[str, ...]

    @property
    def left_out(self) -> int:
        """Kept prompts that fill no set, in each epoch."""
        return self.kept % self.per_set if self.per_set else 0


def training_amounts(train: Train, kept: int, num_ranks: int) -> Amounts:
    """Of a training on so many prompts."""
    per_set = train.prompts_per_set(num_ranks)
    lines = [
        f"{per_set} prompts a set = {train.per_device_train_batch_size} completions x "
        f"{train.passes_per_set(num_ranks)} passes x {num_ranks} ranks / {train.num_generations} a prompt"
    ]
    steps = train.num_steps(kept, num_ranks) if kept >= per_set else 0
    if steps is None:
        most = train.max_generated_tokens
        lines.append(f"steps are not known before: the budget is {train.budget_unit}={train.budget_amount:g}")
        return Amounts(kept, per_set, None, None, None, most, tuple(lines))
    sets = num_sets(train, kept, num_ranks, steps)
    completions = sets * per_set * train.num_generations
    if train.budget_unit == "epochs":
        lines.append(
            f"{kept // per_set if per_set else 0} sets an epoch = {kept} kept / {per_set}; {steps} steps in "
            f"{train.num_train_epochs:g} epochs"
        )
    lines.append(f"{completions:,} completions = {sets} sets x {per_set} prompts x {train.num_generations}")
    return Amounts(kept, per_set, steps, sets, completions, completions * train.max_completion_tokens, tuple(lines))


def num_sets(train: Train, kept: int, num_ranks: int, steps: int) -> int:
    """Sets of completions that so many steps use: a set serves passes_per_set backward passes num_iterations times, and an
    epoch's last step has the passes that are left."""
    serves, per_step = train.passes_per_set(num_ranks) * train.num_iterations, train.gradient_accumulation_steps
    in_epoch = kept // max(1, train.prompts_per_set(num_ranks)) * serves
    if not in_epoch:
        return 0
    epochs, rest = divmod(steps, math.ceil(in_epoch / per_step))
    return math.ceil((epochs * in_epoch + min(rest * per_step, in_epoch)) / serves)


def on_the_way(train: Train, steps: int | None) -> int:
    """Evaluations while it trains, before the one of the end."""
    return 0 if train.eval_steps is None or not steps else (steps - 1) // train.eval_steps
