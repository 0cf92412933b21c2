"""Stage 3, `train`: GRPO on the selected prompts by TRL, sharded by DeepSpeed."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from ufo_rl.config.schema import Template, Train
from ufo_rl.errors import UserError
from ufo_rl.files.journal import MEASURING, WAITING
from ufo_rl.launch.place import Place
from ufo_rl.model.few_threads import few_threads
from ufo_rl.model.live_rows import leave_when_ended
from ufo_rl.model.weights import keep_end_tokens_only
from ufo_rl.model.whole import load_whole, refuse_not_finite
from ufo_rl.reward.columns import RewardColumns
from ufo_rl.reward.parts import Part, for_trl
from ufo_rl.training.policy import checkpoint_every
from ufo_rl.training.trl_fields import HANDED_OVER
from ufo_rl.training.trl_trainer import Trainer

log = logging.getLogger(__name__)
GIB = 2**30
MEAN_LENGTH = "completions/mean_length"  # tokens, TRL's metric
COMPLETIONS = "completions"  # TRL's folder of tables, one a logged step
# What transformers tells of a whole training, in its last line.
RUN_TIMES = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos", "train_loss")
# What a line of the journal says itself; a reward may call a metric so (log_metric), and gets it under metric/.
OF_A_LINE = ("time", "stage", "attempt", "event", "step")


def prepare_process_group(place: Place, deepspeed: dict[str, Any] | None) -> None:
    """Join the ranks before any weights are loaded: ZeRO 3 shards them while loading."""
    backend = "nccl" if place.device.startswith("cuda") else "gloo"
    if place.device.startswith("cuda"):
        torch.cuda.set_device(place.device)
    if deepspeed is None:
        if place.world_size > 1:
            torch.distributed.init_process_group(backend)
        return
    import deepspeed as ds

    if backend == "gloo":
        # a shared-memory all-reduce for CPUs that DeepSpeed would compile now (a minute, and a C++ compiler needed)
        ds.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    ds.init_distributed(dist_backend=backend)


def train(
    rows: Sequence[dict[str, Any]],
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Sequence[Part],
    settings: Train,
    template: Template,
    deepspeed: dict[str, Any] | None,
    seed: int,
    place: Place,
    work: Path,
    policy: Path,
    journal: Callable[..., Any],
) -> dict[str, Any]:
    """Train and save the policy to `policy`; returns what it cost.

    `rows` have `prompt` (chat messages, or a text with layout=text), `id`, and every column that rewards may ask for. `work`
    keeps checkpoints, from which an interrupted training goes on. `journal(event, **values)` gets TRL's metrics under their
    own names, once a step. The tables of completions that TRL may be asked for land beside `policy`.
    """
    tell = journal if place.is_first else _silent
    weights = [part.weight for part in rewards]
    arguments = grpo_arguments(settings, deepspeed, seed, work, place.device == "cpu", weights)
    arguments.chat_template_kwargs = dict(template.chat_template_kwargs)
    trainer = make_trainer(arguments, rows, model_folder, tokenizer, rewards, Watcher(tell), template.stop)
    checkpoint = last_checkpoint(work)
    if checkpoint is not None:
        log.info("going on from %s", checkpoint.name)
    tell("phase", phase=MEASURING, words="first step")
    cost = _trained(trainer, checkpoint)
    tell("phase", phase=MEASURING, words="saving the policy")
    trainer.save_model(str(policy))
    if place.is_first:
        tokenizer.save_pretrained(policy)
        (policy / "training_args.bin").unlink(missing_ok=True)  # a pickle; config.yaml says the same
        if (work / COMPLETIONS).is_dir():  # train.trl.log_completions=true; log_extra's columns stand there
            shutil.copytree(work / COMPLETIONS, policy.parent / COMPLETIONS)
    tell("phase", phase=WAITING, words="")
    trainer.accelerator.wait_for_everyone()
    return {
        **cost,
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "num_trained": len(rows),
        "generated_tokens": generated_tokens(trainer.state.log_history, arguments),
        "resumed": checkpoint is not None,
        "peak_memory_gib": place.peak_memory_gib(),
    }


def _trained(trainer: Trainer, checkpoint: Path | None) -> dict[str, Any]:
    """Train to the end; the seconds and threads that it took."""
    began = time.perf_counter()
    with few_threads(trainer.accelerator.unwrap_model(trainer.model)):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        return {"seconds": time.perf_counter() - began, "threads": torch.get_num_threads()}


def make_trainer(
    arguments: GRPOConfig,
    rows: Sequence[dict[str, Any]],
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Sequence[Part],
    watcher: TrainerCallback,
    stop: Sequence[str] = (),
) -> Trainer:
    """TRL's trainer. The arguments exist before the model is loaded: their DeepSpeed settings decide how."""
    columns = RewardColumns(rows)
    model = load_whole(model_folder, f"the model in {model_folder}", dtype=torch.float32)
    refuse_not_finite(model, f"the model in {model_folder}")
    keep_end_tokens_only(model)
    leave_when_ended(model)
    return Trainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"id": row["id"], "prompt": row["prompt"]} for row in rows]),
        callbacks=[watcher, Checkpoints()],
        reward_funcs=[for_trl(part, columns, stop) for part in rewards],
    )


def grpo_arguments(
    settings: Train,
    deepspeed: dict[str, Any] | None,
    seed: int,
    work: Path,
    uses_cpu: bool,
    reward_weights: list[float],
) -> GRPOConfig:
    """TRL's own settings. UserError where they contradict each other: only TRL knows its rules."""
    saving = {"save_strategy": "no"} if settings.save_steps is None else {"save_steps": settings.save_steps}
    arguments = {
        **{field: getattr(settings, key) for field, key in HANDED_OVER.items()},
        **saving,
        "max_steps": -1 if settings.max_steps is None else settings.max_steps,
        "output_dir": str(work),
        "seed": seed,
        "data_seed": seed,
        "use_cpu": uses_cpu,
        "deepspeed": deepspeed,
        "reward_weights": reward_weights,
        "report_to": "none",
        "disable_tqdm": True,
        "save_total_limit": 1,
        "remove_unused_columns": False,
        **settings.trl,
    }
    try:
        return GRPOConfig(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"train: TRL refuses these settings: {error}") from error


def generated_tokens(history: Sequence[dict[str, Any]], arguments: GRPOConfig) -> int:
    """Tokens of all completions, from the mean lengths in the trainer's history, which a checkpoint keeps: steps before
    an interruption count too.

    A line speaks of the batches sampled since the line before: one every `steps_per_generation` backward passes, each
    used for `num_iterations` passes.
    """
    every = (arguments.steps_per_generation or 1) * arguments.num_iterations
    tokens, before = 0.0, 0
    for line in history:
        if line.get(MEAN_LENGTH) is not None:
            batches = math.ceil(line["step"] * arguments.gradient_accumulation_steps / every)
            tokens += line[MEAN_LENGTH] * (batches - before) * (arguments.generation_batch_size or 0)
            before = batches
    return round(tokens)


def last_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint; torsos of a killed save (no trainer state, which is written last) are removed."""
    steps = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    whole = [path for path in steps if (path / "trainer_state.json").is_file()]
    for torso in steps:
        if torso not in whole:
            shutil.rmtree(torso, ignore_errors=True)  # every rank may try
    return whole[-1] if whole else None


def _silent(event: str, **values: Any) -> None:
    """Ranks but the first have nothing to say."""


class Checkpoints(TrainerCallback):
    """Sees to it that a training which is shorter than train.save_steps is not lost whole when it is interrupted."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        state.save_steps = checkpoint_every(state.save_steps, state.max_steps)


class Watcher(TrainerCallback):
    """Forwards TRL's metrics to the journal."""

    def __init__(self, journal: Callable[..., Any]) -> None:
        self.journal = journal

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or ("train_runtime" in logs and MEAN_LENGTH not in logs):
            return  # the closing line of the trainer holds run times, and steps only where some are not logged yet
        metrics = {
            f"metric/{name}" if name in OF_A_LINE else name: value
            for name, value in logs.items()
            if name not in RUN_TIMES
        }
        self.journal("metrics", step=state.global_step, **metrics)
        self.journal("progress", done=state.global_step, total=state.max_steps, unit="steps")
