"""Stage 3, `train`: GRPO on the selected prompts by TRL, sharded by DeepSpeed."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from transformers import PreTrainedTokenizerBase

from ufo_rl.errors import UserError
from ufo_rl.files.journal import MEASURING, WAITING
from ufo_rl.launch.place import Place
from ufo_rl.model.few_threads import few_threads
from ufo_rl.reward.parts import Part
from ufo_rl.training.accounted import silent, text_of_chat
from ufo_rl.training.checkpoint import stop_on_sigterm
from ufo_rl.training.choosers import let_it_move
from ufo_rl.training.construct import grpo_arguments, make_trainer
from ufo_rl.training.lora import is_adapted, save_adapted
from ufo_rl.training.policy import ADAPTER, TrainRequest
from ufo_rl.training.precision import weights_dtype
from ufo_rl.training.read_back import ReadBack
from ufo_rl.training.rollouts import engine_dtype, engine_stated
from ufo_rl.training.sound import last_checkpoint
from ufo_rl.training.spending import ENDLESS, TrainBudget
from ufo_rl.training.trl_trainer import Trainer
from ufo_rl.training.watcher import Watcher

log = logging.getLogger(__name__)
STOPPED = 143  # exit status of a rank that SIGTERM has stopped, as shells have it
COMPLETIONS = "completions"  # TRL's folder of tables, one a logged step
ROLLOUTS = "rollouts"  # ours


def prepare_process_group(place: Place, deepspeed: dict[str, Any] | None, hang_s: float | None = None) -> None:
    """Join the ranks before any weights are loaded: ZeRO 3 shards them while loading. hang_s: how long the parent waits for a
    sign of life; torch, which does not know who hangs, waits longer."""
    waits: dict[str, Any] = {} if hang_s is None else {"timeout": timedelta(seconds=2 * hang_s)}
    backend = "nccl" if place.device.startswith("cuda") else "gloo"
    if place.device.startswith("cuda"):
        torch.cuda.set_device(place.device)
    if deepspeed is None:
        if place.world_size > 1:
            torch.distributed.init_process_group(backend, **waits)
        return
    import deepspeed as ds

    if backend == "gloo":
        # a shared-memory all-reduce for CPUs that DeepSpeed would compile now (a minute, and a C++ compiler needed)
        ds.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    ds.init_distributed(dist_backend=backend, **waits)


def train(
    rows: Sequence[dict[str, Any]],
    request: TrainRequest,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Sequence[Part],
    place: Place,
    journal: Callable[..., Any],
    sign: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Train and save the policy to `request.policy`; returns what it cost.

    `rows` have `prompt` (chat messages, or a text with layout=text), `id`, and every column that rewards may ask for; where the
    selection follows the model (`request.moving`) they are the whole pool's. `request.checkpoints` keeps those from which an
    interrupted training goes on. `journal(event, **values)` gets TRL's metrics under their own names, once a step, and of
    each set of completions its groups. Tables of completions land beside the policy: ours (`rollouts`), and those that TRL may
    be asked for; with train.lora the adapter. A SIGTERM makes a checkpoint and ends this process; `request.until` that step
    ends the training at one too (`paused_at` in the result).
    """
    settings, rollout, moving, work = request.train, request.rollout, request.moving, request.checkpoints
    tell = journal if place.is_first else silent
    is_cpu, weights = place.device == "cpu", [part.weight for part in rewards]
    arguments = grpo_arguments(settings, request.deepspeed, request.seed, work, is_cpu, weights, rollout)
    arguments.chat_template_kwargs = dict(request.template.chat_template_kwargs)
    watcher = Watcher(tell)
    num_kept = len(rows) if moving is None else moving.num_kept
    kept, others = rows[:num_kept], rows[num_kept:]
    dtype, stop = getattr(torch, weights_dtype(settings, request.deepspeed)), request.template.stop
    with engine_stated(rollout, arguments):
        trainer = make_trainer(
            arguments, kept, request.model, tokenizer, rewards, watcher, stop, others, dtype, settings.lora
        )
    watcher.trainer, trainer.alarms, trainer.sign = trainer, watcher.alarms, sign
    _set_up(trainer, request, rows, tell)
    if moving is not None:
        let_it_move(moving, rows, trainer, request.plugins, request.seed, tell)
    checkpoint = _go_on(trainer, work)
    tell("phase", phase=MEASURING, words="first step")
    cost = _trained(trainer, checkpoint)
    _save(trainer, rows, request)
    about = {"num_trained": num_kept, "resumed": checkpoint is not None}
    about |= {"paused_at": trainer.state.global_step} if trainer.is_paused else {}
    return {**cost, **about, "peak_memory_gib": place.peak_memory_gib()}


def _set_up(trainer: Trainer, request: TrainRequest, rows: Sequence[dict[str, Any]], tell: Callable[..., Any]) -> None:
    """What is ours alone; TRL's own settings are in its arguments."""
    settings, rollout = request.train, request.rollout
    if trainer.args.max_steps == ENDLESS and settings.budget_amount is not None:
        trainer.budget = TrainBudget(settings.budget_unit, settings.budget_amount)
    trainer.tell, trainer.golds = tell, {row["id"]: row.get("answer", "") for row in rows}
    trainer.folder = request.checkpoints / ROLLOUTS if settings.rollouts_every else None
    trainer.keep, trainer.every = settings.keep_checkpoints, settings.rollouts_every or 1
    trainer.drops_dead, trainer.until = settings.dead_groups == "drop", request.until
    if rollout.is_vllm:
        set_seed(trainer.args.seed, device_specific=True)  # vLLM has set it to the rank's number
        texts = [text_of_chat(row["prompt"]) for row in rows]
        trainer.watch_engine(texts, rollout.check_every, engine_dtype(rollout, trainer.args))


def _go_on(trainer: Trainer, work: Path) -> Path | None:
    """Take what our part of the newest checkpoint holds; the rest transformers loads."""
    checkpoint = last_checkpoint(work)
    if checkpoint is not None:
        log.info("going on from %s", checkpoint.name)
        trainer.go_on_from(checkpoint)
    stop_on_sigterm(trainer)
    return checkpoint


def _save_weights(trainer: Trainer, policy: Path, base: str) -> None:
    if not is_adapted(trainer.model):
        trainer.save_model(str(policy))
        return
    with trainer._dist.gather_params(list(trainer.model.parameters())):
        if trainer.accelerator.is_main_process:
            save_adapted(trainer.model, policy, policy.with_name(ADAPTER), base)


def _save(trainer: Trainer, rows: Sequence[dict[str, Any]], request: TrainRequest) -> None:
    """The policy, read back, and at the end of the training the tables of completions beside it."""
    policy, work = request.policy, request.checkpoints
    trainer.tell("phase", phase=MEASURING, words="saving the policy")
    _save_weights(trainer, policy, request.base or str(request.model))
    live = ReadBack(trainer, rows)
    if trainer.accelerator.is_main_process:
        tokenizer: Any = trainer.processing_class
        tokenizer.save_pretrained(policy)
        (policy / "training_args.bin").unlink(missing_ok=True)  # a pickle; config.yaml says the same
        if not trainer.is_paused:
            _publish_tables(work, policy.parent)
        trainer.tell("read_back", largest_difference=live.check(policy))
    trainer.tell("phase", phase=WAITING, words="")
    trainer.accelerator.wait_for_everyone()


def _publish_tables(work: Path, folder: Path) -> None:
    for name in (ROLLOUTS, COMPLETIONS):  # train.trl.log_completions=true; log_extra's columns stand there
        if (work / name).is_dir():
            shutil.copytree(work / name, folder / name)


def _trained(trainer: Trainer, checkpoint: Path | None) -> dict[str, Any]:
    """Train to the end; what it took."""
    began = time.perf_counter()
    with few_threads(trainer.accelerator.unwrap_model(trainer.model)):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        took = {"seconds": time.perf_counter() - began, "threads": torch.get_num_threads()}
    if trainer.is_stopped:
        trainer.tell("phase", phase=WAITING, words="")
        raise SystemExit(STOPPED)
    if not trainer.state.global_step:
        raise UserError("training made no step: there are fewer prompts than a set of completions takes")
    return {
        **took,
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "generated_tokens": trainer.generated_tokens,
        "step_seconds": trainer.seconds,
    }
