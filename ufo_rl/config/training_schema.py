"""The closed core of the configuration: what training is. See schema.py."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Lt

from ufo_rl.config.kinds import (
    CHANGES_NO_RESULT,
    Count,
    Dtype,
    Flag,
    Name,
    NotNegative,
    Number,
    Positive,
    Proportion,
    Text,
    Whole,
    node,
)

SHUFFLED = "shuffled"
SPENT = ("generated_tokens", "seconds")  # units of a budget that no number of steps stands for


@node
class Lora:
    """Low-rank adapters in the place of all weights, see conf/train/base/grpo.yaml; rank None trains all weights."""

    rank: Count | None = None
    alpha: Positive = 32.0
    targets: list[Text] = field(default_factory=lambda: ["all-linear"])
    dropout: Annotated[Number, Ge(0), Lt(1)] = 0.0
    learning_rate_factor: Positive = 10.0


@node
class Train:
    name: Name
    learning_rate: Positive
    lr_scheduler_type: Literal["constant", "constant_with_warmup", "linear", "cosine"]
    warmup_ratio: Annotated[Number, Ge(0), Lt(1)]
    max_steps: Count | None
    num_train_epochs: Positive
    per_device_train_batch_size: Count
    gradient_accumulation_steps: Count
    num_generations: Annotated[Whole, Ge(2)]
    max_prompt_tokens: Count | None
    max_completion_tokens: Count
    temperature: Positive
    beta: NotNegative
    epsilon: Positive
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"]
    scale_rewards: Literal["group", "batch", "none"]
    num_iterations: Count
    max_grad_norm: Positive
    weight_decay: NotNegative
    bf16: Flag
    gradient_checkpointing: Flag
    save_steps: Positive | None  # below 1 a share of the budget
    trl: dict[str, Any]  # any other field of TRL's GRPOConfig, see training/trl_fields.py
    order: Literal["shuffled", "easy_first", "hard_first", "as_ranked"] = SHUFFLED
    dead_groups: Literal["keep", "drop"] = "keep"
    keep_checkpoints: Annotated[Count, CHANGES_NO_RESULT] = 1
    rollouts_every: Annotated[Count | None, CHANGES_NO_RESULT] = 10
    budget: Literal["epochs", "steps", "generated_tokens", "seconds"] | None = None
    max_generated_tokens: Count | None = None
    max_seconds: Positive | None = None
    eval_steps: Count | None = None
    best_by: Name | None = None
    lora: Lora = field(default_factory=Lora)
    keep_policy: Annotated[Literal["all", "best", "none"], CHANGES_NO_RESULT] = "all"

    @property
    def step_size(self) -> float:
        """AdamW's peak step size."""
        return self.learning_rate * (1.0 if self.lora.rank is None else self.lora.learning_rate_factor)

    @property
    def budget_unit(self) -> str:
        """What ends the training: `budget`, or that of which an amount is given."""
        given = {"generated_tokens": self.max_generated_tokens, "seconds": self.max_seconds, "steps": self.max_steps}
        return self.budget or next((unit for unit, amount in given.items() if amount is not None), "epochs")

    @property
    def budget_amount(self) -> float | None:
        """How much of it; None where the configuration does not say so."""
        return {
            "epochs": self.num_train_epochs,
            "steps": self.max_steps,
            "generated_tokens": self.max_generated_tokens,
            "seconds": self.max_seconds,
        }[self.budget_unit]

    def completions_per_step(self, num_ranks: int) -> int:
        return self.per_device_train_batch_size * self.gradient_accumulation_steps * num_ranks

    def num_steps(self, num_prompts: int, num_ranks: int) -> int | None:
        """Optimizer steps over so many kept prompts, as TRL counts them: a step's last incomplete batch is left out. None where
        the budget is of tokens or seconds."""
        if self.budget_unit in SPENT:
            return None
        if self.budget_unit == "steps" and self.max_steps is not None:
            return self.max_steps
        num_sets = num_prompts // self.prompts_per_set(num_ranks)
        passes = num_sets * self.passes_per_set(num_ranks) * self.num_iterations
        return max(1, math.ceil(self.num_train_epochs * math.ceil(passes / self.gradient_accumulation_steps)))

    def passes_per_set(self, num_ranks: int) -> int:
        """Backward passes that one set of completions is split into."""
        completions = self.trl.get("generation_batch_size")
        if completions:
            return max(1, completions // (self.per_device_train_batch_size * num_ranks))
        return self.trl.get("steps_per_generation") or self.gradient_accumulation_steps

    def prompts_per_set(self, num_ranks: int) -> int:
        """Whose completions are generated together: fewer prompts cannot be trained on."""
        completions = self.per_device_train_batch_size * self.passes_per_set(num_ranks) * num_ranks
        return (self.trl.get("generation_batch_size") or completions) // self.num_generations


@node
class Refresh:
    """How the selection follows the model while it trains, see conf/refresh/base/any.yaml."""

    name: Literal["static", "rescore", "posterior"] = "static"
    every: Count | None = None
    explore: Annotated[Number, Ge(0), Lt(1)] = 0.0
    memory: Annotated[Number, Ge(0), Le(1)] = 1.0
    prior: Positive = 1.0


@node
class Rollout:
    """What generates the completions of training, see conf/rollout/base/any.yaml."""

    name: Literal["hf", "vllm_colocate", "vllm_server"] = "hf"
    dtype: Dtype | None = None
    correction: Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask", "none"] = "token_truncate"
    correction_cap: Positive = 2.0
    check_every: Annotated[Count, CHANGES_NO_RESULT] = 10
    memory_share: Annotated[Proportion, CHANGES_NO_RESULT] = 0.3
    tensor_parallel: Annotated[Count, CHANGES_NO_RESULT] = 1
    sleep: Annotated[Flag, CHANGES_NO_RESULT] = True
    server: Annotated[Text | None, CHANGES_NO_RESULT] = None
    cpu_for_tests: Annotated[Flag, CHANGES_NO_RESULT] = False

    @property
    def is_vllm(self) -> bool:
        return self.name != "hf"
