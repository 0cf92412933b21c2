"""TRL's trainer, for which a group whose completions all have the same reward teaches nothing.

TRL adds weighted rewards up in float32, where the mean of eight times 1.2 is not 1.2: such groups get advantages of 1e-3 and a
standard deviation that does not count as zero. Where all groups of a step are so, Adam makes a step of full size of that.
"""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer

ROUNDING = 1e-7  # of advantages, in float64
DIGITS = 7  # of a part's value, which TRL holds in float32


class ExactRewards(GRPOTrainer):
    """GRPOTrainer whose rewards are weighted and added up in float64, from values of parts as they were given, and whose
    advantages are 0 where rounding alone made them."""

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> torch.Tensor:
        found = super()._calculate_rewards(*arguments, **named).double()
        settings: Any = self.args
        self.reward_weights = torch.tensor(settings.reward_weights, dtype=torch.float64, device=found.device)
        unit = 10.0 ** (found.abs().clamp_min(1e-30).log10().floor() - (DIGITS - 1))  # of the last digit that counts
        return (found / unit).round() * unit

    def _generate_and_score_completions(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(*arguments, **named)
        advantages = output["advantages"]
        output["advantages"] = advantages.masked_fill(advantages.abs() < ROUNDING, 0.0).float()
        return output
