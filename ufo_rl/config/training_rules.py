"""Rules that tie the keys of training together: its budget, its groups, what generates and what is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ufo_rl.errors import nearest

if TYPE_CHECKING:
    from ufo_rl.config.schema import Config


def _whole_groups(config: Config) -> list[str]:
    train, ranks = config.train, config.launch.num_ranks
    batch = train.completions_per_step(ranks)
    if batch % train.num_generations == 0:
        return []
    multiple = math.ceil(train.per_device_train_batch_size / train.num_generations) * train.num_generations
    return [
        f"train.per_device_train_batch_size={train.per_device_train_batch_size} x "
        f"train.gradient_accumulation_steps={train.gradient_accumulation_steps} x launch.num_ranks={ranks} = {batch} "
        f"completions a step, not divisible by train.num_generations={train.num_generations}; "
        f"take train.per_device_train_batch_size={multiple}"
    ]


def _one_budget(config: Config) -> list[str]:
    train, unit = config.train, config.train.budget_unit
    if train.budget_amount is None:
        return [f"train.budget={unit} needs an amount: train.max_{unit}"]
    if train.budget is None and train.max_generated_tokens is not None and train.max_seconds is not None:
        return [
            "train.max_generated_tokens and train.max_seconds are both given; say which ends the training: "
            "train.budget=generated_tokens or train.budget=seconds"
        ]
    unused = {"generated_tokens": train.max_generated_tokens, "seconds": train.max_seconds}
    own = [key for key in ("optimizer", "scheduler") if key in (config.deepspeed.config or {})]
    if unit in unused and own:
        return [
            f"deepspeed.config.{own[0]} with train.budget={unit}: the step size follows the spent share of the budget, which "
            f"DeepSpeed's own does not know; leave it out: ~deepspeed.config.{own[0]}"
        ]
    return [
        f"train.budget={unit}, so train.max_{other}={amount} would do nothing; leave it out, or take train.budget={other}"
        for other, amount in unused.items()
        if amount is not None and train.budget is not None and other != unit
    ]


def _refreshes(config: Config) -> list[str]:
    refresh, train, problems = config.refresh, config.train, []
    if refresh.name == "static":
        given = [key for key in ("every", "explore") if getattr(refresh, key)]
        return [
            f"refresh.{key}={getattr(refresh, key)} does nothing with refresh=static; take refresh=rescore"
            for key in given
        ]
    if refresh.every is not None and train.budget_unit == "steps" and refresh.every >= (train.max_steps or 0):
        problems.append(
            f"refresh.every={refresh.every} is not below the {train.max_steps} steps of the training: nothing would be "
            "selected anew; lower it"
        )
    if refresh.name == "rescore":
        unused = [key for key in ("memory", "prior") if getattr(refresh, key) != 1.0]
        problems += [
            f"refresh.{key}={getattr(refresh, key)} does nothing with refresh=rescore; leave it out" for key in unused
        ]
    if refresh.every is None:
        problems.append(f"refresh={refresh.name} needs the steps between two selections, for example refresh.every=20")
    if train.order != "shuffled":
        problems.append(
            f"refresh={refresh.name} with train.order={train.order}: a selection that moves has no order; take "
            "train.order=shuffled"
        )
    return problems


def _drops_what_it_can(config: Config) -> list[str]:
    train = config.train
    if train.dead_groups != "drop":
        return []
    problems = []
    if train.loss_type == "bnpo":
        problems.append(
            "train.dead_groups=drop with train.loss_type=bnpo: that loss is divided by each rank's own tokens, and a rank "
            "without a live group would still count; take train.loss_type=dapo"
        )
    if train.trl.get("multi_objective_aggregation", "sum_then_normalize") != "sum_then_normalize":
        problems.append(
            "train.dead_groups=drop with train.trl.multi_objective_aggregation=normalize_then_sum: groups of equal total "
            "reward have a gradient there; take train.dead_groups=keep"
        )
    bonus = [key for key in ("entropy_coef", "use_adaptive_entropy") if train.trl.get(key)]
    problems += [
        f"train.dead_groups=drop with train.trl.{key}={train.trl[key]}: the bonus is a mean over all groups; leave it out, or "
        "train.dead_groups=keep"
        for key in bonus
    ]
    return problems


def _best_is_evaluated(config: Config) -> list[str]:
    train, problems = config.train, []
    if train.best_by is not None and train.best_by not in config.eval:
        meant = nearest(train.best_by, list(config.eval))
        problems.append(
            f"train.best_by={train.best_by} is no benchmark of this run{meant} (benchmarks: {', '.join(config.eval)})"
        )
    if train.best_by is not None and train.eval_steps is None:
        problems.append(f"train.best_by={train.best_by} needs evaluations on the way, for example train.eval_steps=50")
    return problems


def _rollout_serves(config: Config) -> list[str]:
    rollout, trl, problems = config.rollout, config.train.trl, []
    if rollout.name == "vllm_server" and rollout.server is None:
        problems.append(
            "rollout=vllm_server needs the address of the server, for example rollout.server=http://node1:8000"
        )
    elif rollout.name == "vllm_server" and not str(rollout.server).startswith(("http://", "https://")):
        problems.append(f"rollout.server={rollout.server} must be an address, for example http://node1:8000")
    elif rollout.name != "vllm_server" and rollout.server is not None:
        problems.append(
            f"rollout.server={rollout.server} does nothing with rollout={rollout.name}; take rollout=vllm_server"
        )
    if not rollout.is_vllm:
        given = {"dtype": None, "correction": "token_truncate", "correction_cap": 2.0}
        return problems + [
            f"rollout.{key}={getattr(rollout, key)} does nothing with rollout=hf; take rollout=vllm_colocate"
            for key, own in given.items()
            if getattr(rollout, key) != own
        ]
    ranks = config.launch.num_ranks
    if ranks % rollout.tensor_parallel:
        problems.append(
            f"rollout.tensor_parallel={rollout.tensor_parallel} must divide launch.num_ranks={ranks}; take "
            f"rollout.tensor_parallel={math.gcd(ranks, rollout.tensor_parallel)}"
        )
    if trl.get("use_transformers_continuous_batching"):
        problems.append(
            f"train.trl.use_transformers_continuous_batching=true does nothing with rollout={rollout.name}; take rollout=hf"
        )
    return problems


def _lora_is_whole(config: Config) -> list[str]:
    lora = config.train.lora
    if lora.rank is None:
        own = {"alpha": 32.0, "targets": ["all-linear"], "dropout": 0.0, "learning_rate_factor": 10.0}
        return [
            f"train.lora.{key}={getattr(lora, key)} does nothing without train.lora.rank, for example train.lora.rank=16"
            for key, default in own.items()
            if getattr(lora, key) != default
        ]
    if not lora.targets:
        return ["train.lora.targets=[] leaves nothing to train; take train.lora.targets=[all-linear]"]
    if "lm_head" in lora.targets:
        return [
            "train.lora.targets holds lm_head: log-probabilities are computed from the head's own weights, and its adapter "
            "would never be trained; leave it out"
        ]
    if len(lora.targets) > 1 and "all-linear" in lora.targets:
        return [f"train.lora.targets={lora.targets}: all-linear stands alone; take train.lora.targets=[all-linear]"]
    return []


def _saves_at_steps(config: Config) -> list[str]:
    every, train = config.train.save_steps, config.train
    problems = []
    if every is not None and every > 1 and every != int(every):
        problems.append(f"train.save_steps={every} must be a whole number of steps, or below 1 a share of the budget")
    if train.keep_policy == "best" and train.best_by is None:
        problems.append(
            "train.keep_policy=best needs to know by which benchmark: train.best_by=NAME, or take train.keep_policy=all"
        )
    return problems


# As RELATIONS of rules.py.
OF_TRAINING = (
    ({"train", "launch"}, _whole_groups),
    ({"train", "deepspeed"}, _one_budget),
    ({"train", "refresh"}, _refreshes),
    ({"train"}, _drops_what_it_can),
    ({"train", "eval"}, _best_is_evaluated),
    ({"train", "rollout", "launch"}, _rollout_serves),
    ({"train"}, _lora_is_whole),
    ({"train"}, _saves_at_steps),
)
