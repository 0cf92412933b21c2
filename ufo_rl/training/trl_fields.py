"""Which fields of TRL's GRPOConfig our keys fill, and what `train.trl` may hold besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ufo_rl.config.dataclass_source import Kind, Source
from ufo_rl.config.foreign import problems_of

# Field of TRL's: key of train/ whose value it takes as it is.
HANDED_OVER = {
    "lr_scheduler_type": "lr_scheduler_type",
    "warmup_steps": "warmup_ratio",  # below 1 it is a share of the steps
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "num_train_epochs": "num_train_epochs",
    "per_device_train_batch_size": "per_device_train_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "num_generations": "num_generations",
    "max_completion_length": "max_completion_tokens",
    "temperature": "temperature",
    "beta": "beta",
    "epsilon": "epsilon",
    "loss_type": "loss_type",
    "scale_rewards": "scale_rewards",
    "num_iterations": "num_iterations",
    "bf16": "bf16",
    "gradient_checkpointing": "gradient_checkpointing",
}
# Fields that grpo.py works out, and what of ours they come from.
WORKED_OUT = {
    "learning_rate": "train.learning_rate",
    "max_steps": "train.max_steps",
    "save_strategy": "train.save_steps",
    "save_steps": "train.save_steps",
    "seed": "seed",
    "data_seed": "seed",
    "use_cpu": "launch.device",
    "deepspeed": "deepspeed.config",
    "reward_weights": "reward.parts.NAME.weight",
    "chat_template_kwargs": "template.chat_template_kwargs",
    "output_dir": "set by the program: the run's folder",
    "report_to": "set by the program; choose with tracker=auto, online, offline or off",
    "logging_nan_inf_filter": "set by the program, which ends a training whose numbers are none",
    "disable_tqdm": "set by the program, which shows the progress itself",
    "save_total_limit": "train.keep_checkpoints",
    "shuffle_dataset": "train.order",
    "remove_unused_columns": "set by the program: rewards find their columns by the id",
    "use_vllm": "rollout=hf, vllm_colocate or vllm_server",
    "vllm_mode": "rollout=hf, vllm_colocate or vllm_server",
    "vllm_server_base_url": "rollout.server",
    "vllm_server_host": "rollout.server",
    "vllm_server_port": "rollout.server",
    "vllm_gpu_memory_utilization": "rollout.memory_share",
    "vllm_tensor_parallel_size": "rollout.tensor_parallel",
    "vllm_enable_sleep_mode": "rollout.sleep",
    "vllm_importance_sampling_correction": "rollout.correction",
    "vllm_importance_sampling_mode": "rollout.correction",
    "vllm_importance_sampling_clip_max": "rollout.correction_cap",
    "vllm_importance_sampling_cap": "rollout.correction_cap",
}
# Fields that only a loader of models or a command line of TRL's reads, or that GRPO refuses; here they would do nothing, or
# harm.
REFUSED = {
    "model_init_kwargs": "set by the program, which loads the model itself (model.path, model.revision)",
    "trust_remote_code": "never done: code that comes with a model is not run",
    "resume_from_checkpoint": "set by the program: the same command goes on from its checkpoint",
    "run_name": "name",
    "local_rank": "launch.num_ranks",
    "auto_find_batch_size": "never done: a batch holds whole groups; choose train.per_device_train_batch_size",
    "do_train": "set by the program",
    "save_only_model": "never done: a training could not go on from such a checkpoint",
    "sync_ref_model": "never done: no checkpoint keeps a reference that has moved",
}
# Fields that are any text by their annotation, and the values that TRL, transformers or vLLM take when training is under way
# already: another one would be found out then, or never.
VALUES = {
    "importance_sampling_level": ("token", "sequence"),
    "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
    "vllm_model_impl": ("vllm", "transformers"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length", "batch_rebalance"),
    **dict.fromkeys(
        ("log_level", "log_level_replica"), ("detail", "debug", "info", "warning", "error", "critical", "passive")
    ),
}
OWNED = {**{field: f"train.{key}" for field, key in HANDED_OVER.items()}, **WORKED_OUT, **REFUSED}

ENUMS = ("trainer_utils.py", "debug_utils.py")
SOURCES = (  # the class and its bases, the furthest first
    Source("transformers", "training_args.py", "TrainingArguments", ENUMS),
    Source("trl", "trainer/base_config.py", "_BaseConfig"),
    Source("trl", "trainer/grpo_config.py", "GRPOConfig"),
)


def fields() -> dict[str, Kind] | None:
    """Every field of GRPOConfig; None where it cannot be read."""
    merged: dict[str, Kind] = {}
    for source in SOURCES:
        own = source.fields()
        if own is None:
            return None
        merged |= own
    return {name: Kind(values=VALUES[name]) if name in VALUES else kind for name, kind in merged.items()}


def trl_problems(given: Mapping[str, Any]) -> list[str]:
    """What is wrong with `train.trl`; neither torch nor TRL is imported."""
    return problems_of("train.trl", given, OWNED, fields(), "TRL's GRPOConfig") if given else []
