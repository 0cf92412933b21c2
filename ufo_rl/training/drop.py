"""TRL's trainer, leaving dead groups out of the loss and of what it is divided by (`train.dead_groups=drop`)."""

from __future__ import annotations

from typing import Any

import torch

from ufo_rl.training.accounted import Accounted

LIVE, NUM_LIVE = "live", "num_live"  # our columns in TRL's batches
PER_ROW = ("grpo", "dr_grpo")  # losses that are a mean over rows; dapo's is one over the tokens of the whole set


class Dropping(Accounted):
    """GRPOTrainer whose loss is that of the live groups alone, over the whole set of completions: a rank, or a part of a
    batch, without any takes part with a row that counts nothing. Dead groups still cost their generation; their
    log-probabilities for the loss are not computed."""

    drops_dead = False

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        if self.drops_dead and self.model.training:
            mask = output["completion_mask"]
            live_N = torch.tensor([not group.dead for group in self.groups for _ in group.rewards], device=mask.device)
            start = self.accelerator.process_index * len(mask)
            output[LIVE] = live_N[start : start + len(mask)]
            output[NUM_LIVE] = live_N.sum()
            output["completion_mask"] = mask * output[LIVE][:, None]
            tokens: Any = self.accelerator.gather((output["completion_mask"] * output.get("tool_mask", 1)).sum())
            output["num_items_in_batch"] = tokens.sum()
        return output

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if LIVE not in inputs:
            return super()._compute_loss(model, inputs)
        rest = {name: value for name, value in inputs.items() if name not in (LIVE, NUM_LIVE)}
        live_B = inputs[LIVE]
        # as many rows on every rank: with another number of forward passes, one would wait for the others for ever
        counts: Any = self.accelerator.gather(live_B.sum())
        count = max(1, int(counts.max()))
        rows = torch.argsort(live_B.int(), descending=True, stable=True)[:count]
        kept = {name: value[rows] if _is_by_row(value, len(live_B)) else value for name, value in rest.items()}
        before = {name: len(values) for name, values in self._metrics["train"].items()}
        loss = super()._compute_loss(model, kept)
        if not int(counts.max()):  # TRL would count the entropy and so on of no token as 0
            for name, values in self._metrics["train"].items():
                del values[before.get(name, 0) :]
        if self.loss_type not in PER_ROW:
            return loss
        num_parts = self.accelerator.num_processes * self.args.steps_per_generation  # of a set, one a backward pass
        return loss * (count * num_parts / inputs[NUM_LIVE].clamp(min=1))


def _is_by_row(value: Any, num_rows: int) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0 and len(value) == num_rows
