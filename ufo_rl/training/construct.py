"""TRL's trainer as a run asks for it: its settings, its model, its rewards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from ufo_rl.config.schema import Rollout, Train
from ufo_rl.config.training_schema import SHUFFLED, SPENT, Lora
from ufo_rl.errors import UserError
from ufo_rl.model.live_rows import leave_when_ended
from ufo_rl.model.weights import keep_end_tokens_only
from ufo_rl.model.whole import load_whole, refuse_not_finite
from ufo_rl.reward.columns import RewardColumns
from ufo_rl.reward.parts import Part, for_trl
from ufo_rl.training.feed import Feed
from ufo_rl.training.lora import check_targets, lora_config
from ufo_rl.training.rollouts import rollout_fields
from ufo_rl.training.spending import ENDLESS
from ufo_rl.training.trl_fields import HANDED_OVER
from ufo_rl.training.trl_trainer import Trainer

HF, NO_LORA = Rollout(), Lora()


def make_trainer(
    arguments: GRPOConfig,
    rows: Sequence[dict[str, Any]],
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Sequence[Part],
    watcher: TrainerCallback,
    stop: Sequence[str] = (),
    others: Sequence[dict[str, Any]] = (),
    dtype: torch.dtype = torch.float32,
    lora: Lora = NO_LORA,
) -> Trainer:
    """TRL's trainer. others: rows that may be trained later, of which rewards must know too. dtype: of the weights. lora:
    adapters that are trained in their place. The arguments exist before the model is loaded: their DeepSpeed settings decide
    how."""
    columns = RewardColumns([*rows, *others])
    model = load_whole(model_folder, f"the model in {model_folder}", dtype=dtype)
    refuse_not_finite(model, f"the model in {model_folder}")
    check_targets(model, lora)
    keep_end_tokens_only(model)
    leave_when_ended(model)
    trainer = Trainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"id": row["id"], "prompt": row["prompt"]} for row in rows]),
        callbacks=[watcher],
        reward_funcs=[for_trl(part, columns, stop) for part in rewards],
        peft_config=lora_config(lora),
    )
    trainer.feed = Feed(rows, per_set(arguments), arguments.seed, bool(arguments.shuffle_dataset))
    return trainer


def _max_steps(settings: Train) -> int:
    if settings.budget_unit in SPENT:
        return ENDLESS
    return settings.max_steps if settings.budget_unit == "steps" and settings.max_steps is not None else -1


def per_set(arguments: Any) -> int:
    """Prompts of a set of completions."""
    return arguments.generation_batch_size // arguments.num_generations


def grpo_arguments(
    settings: Train,
    deepspeed: dict[str, Any] | None,
    seed: int,
    work: Path,
    uses_cpu: bool,
    reward_weights: list[float],
    rollout: Rollout = HF,
) -> GRPOConfig:
    """TRL's own settings. UserError where they contradict each other: only TRL knows its rules."""
    saving = {"save_strategy": "no"} if settings.save_steps is None else {"save_steps": settings.save_steps}
    arguments = {
        **{field: getattr(settings, key) for field, key in HANDED_OVER.items()},
        "learning_rate": settings.step_size,
        **saving,
        "max_steps": _max_steps(settings),
        "output_dir": str(work),
        "seed": seed,
        "data_seed": seed,
        "use_cpu": uses_cpu,
        "deepspeed": deepspeed,
        "reward_weights": reward_weights,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,
        "save_total_limit": None,
        "shuffle_dataset": settings.order == SHUFFLED,
        "remove_unused_columns": False,
        **rollout_fields(rollout, settings),
        **settings.trl,
    }
    try:
        return GRPOConfig(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"train: TRL refuses these settings: {error}") from error
