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
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from ufo_rl.config.schema import Template, Train
from ufo_rl.config.training_schema import SHUFFLED, SPENT
from ufo_rl.errors import UserError
from ufo_rl.files.journal import MEASURING, WAITING
from ufo_rl.launch.place import Place
from ufo_rl.model.few_threads import few_threads
from ufo_rl.model.live_rows import leave_when_ended
from ufo_rl.model.weights import keep_end_tokens_only
from ufo_rl.model.whole import load_whole, refuse_not_finite
from ufo_rl.reward.columns import RewardColumns
from ufo_rl.reward.parts import Part, for_trl
from ufo_rl.training.accounted import silent
from ufo_rl.training.alarms import NOT_A_NUMBER, Alarms
from ufo_rl.training.checkpoint import stop_on_sigterm
from ufo_rl.training.choosers import let_it_move
from ufo_rl.training.feed import Feed
from ufo_rl.training.moving import MovingRequest
from ufo_rl.training.read_back import ReadBack
from ufo_rl.training.sound import last_checkpoint
from ufo_rl.training.spending import ENDLESS, TrainBudget
from ufo_rl.training.trl_fields import HANDED_OVER
from ufo_rl.training.trl_trainer import Trainer

log = logging.getLogger(__name__)
STOPPED = 143  # exit status of a rank that SIGTERM has stopped, as shells have it
MEAN_LENGTH = "completions/mean_length"  # tokens, TRL's metric
COMPLETIONS = "completions"  # TRL's folder of tables, one a logged step
ROLLOUTS = "rollouts"  # ours
# What transformers tells of a whole training, in its last line.
RUN_TIMES = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos", "train_loss")
# What a line of the journal says itself; a reward may call a metric so (log_metric), and gets it under metric/.
OF_A_LINE = ("time", "stage", "attempt", "event", "step")


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
    moving: MovingRequest | None = None,
    plugins: Sequence[str] = (),
    until: int | None = None,
    sign: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Train and save the policy to `policy`; returns what it cost.

    moving: how the selection follows the model; the rows are the whole pool's then, and `plugins` may hold the selector.
    `rows` have `prompt` (chat messages, or a text with layout=text), `id`, and every column that rewards may ask for. `work`
    keeps checkpoints, from which an interrupted training goes on. `journal(event, **values)` gets TRL's metrics under their
    own names, once a step, and of each set of completions its groups. Tables of completions land beside `policy`: ours
    (`rollouts`), and those that TRL may be asked for. A SIGTERM makes a checkpoint and ends this process; `until` that step
    ends the training at one too (`paused_at` in the result).
    """
    tell = journal if place.is_first else silent
    is_cpu, weights = place.device == "cpu", [part.weight for part in rewards]
    arguments = grpo_arguments(settings, deepspeed, seed, work, is_cpu, weights)
    arguments.chat_template_kwargs = dict(template.chat_template_kwargs)
    watcher = Watcher(tell)
    num_kept = len(rows) if moving is None else moving.num_kept
    kept, others = rows[:num_kept], rows[num_kept:]
    trainer = make_trainer(arguments, kept, model_folder, tokenizer, rewards, watcher, template.stop, others)
    watcher.trainer, trainer.alarms, trainer.sign = trainer, watcher.alarms, sign
    _set_up(trainer, settings, rows, tell, work)
    trainer.until = until
    if moving is not None:
        let_it_move(moving, rows, trainer, plugins, seed, tell)
    checkpoint = _go_on(trainer, work)
    tell("phase", phase=MEASURING, words="first step")
    cost = _trained(trainer, checkpoint)
    _save(trainer, rows, policy, work)
    about = {"num_trained": num_kept, "resumed": checkpoint is not None}
    about |= {"paused_at": trainer.state.global_step} if trainer.is_paused else {}
    return {**cost, **about, "peak_memory_gib": place.peak_memory_gib()}


def _set_up(
    trainer: Trainer, settings: Train, rows: Sequence[dict[str, Any]], tell: Callable[..., Any], work: Path
) -> None:
    """What is ours alone; TRL's own settings are in its arguments."""
    if trainer.args.max_steps == ENDLESS and settings.budget_amount is not None:
        trainer.budget = TrainBudget(settings.budget_unit, settings.budget_amount)
    trainer.tell, trainer.golds = tell, {row["id"]: row.get("answer", "") for row in rows}
    trainer.folder = work / ROLLOUTS if settings.rollouts_every else None
    trainer.keep, trainer.every = settings.keep_checkpoints, settings.rollouts_every or 1
    trainer.drops_dead = settings.dead_groups == "drop"


def _go_on(trainer: Trainer, work: Path) -> Path | None:
    """Take what our part of the newest checkpoint holds; the rest transformers loads."""
    checkpoint = last_checkpoint(work)
    if checkpoint is not None:
        log.info("going on from %s", checkpoint.name)
        trainer.go_on_from(checkpoint)
    stop_on_sigterm(trainer)
    return checkpoint


def _save(trainer: Trainer, rows: Sequence[dict[str, Any]], policy: Path, work: Path) -> None:
    """The policy, read back, and at the end of the training the tables of completions beside it."""
    trainer.tell("phase", phase=MEASURING, words="saving the policy")
    trainer.save_model(str(policy))
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


def make_trainer(
    arguments: GRPOConfig,
    rows: Sequence[dict[str, Any]],
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Sequence[Part],
    watcher: TrainerCallback,
    stop: Sequence[str] = (),
    others: Sequence[dict[str, Any]] = (),
) -> Trainer:
    """TRL's trainer. others: rows that may be trained later, of which rewards must know too. The arguments exist before the
    model is loaded: their DeepSpeed settings decide how."""
    columns = RewardColumns([*rows, *others])
    model = load_whole(model_folder, f"the model in {model_folder}", dtype=torch.float32)
    refuse_not_finite(model, f"the model in {model_folder}")
    keep_end_tokens_only(model)
    leave_when_ended(model)
    trainer = Trainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"id": row["id"], "prompt": row["prompt"]} for row in rows]),
        callbacks=[watcher],
        reward_funcs=[for_trl(part, columns, stop) for part in rewards],
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
) -> GRPOConfig:
    """TRL's own settings. UserError where they contradict each other: only TRL knows its rules."""
    saving = {"save_strategy": "no"} if settings.save_steps is None else {"save_steps": settings.save_steps}
    arguments = {
        **{field: getattr(settings, key) for field, key in HANDED_OVER.items()},
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
        **settings.trl,
    }
    try:
        return GRPOConfig(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"train: TRL refuses these settings: {error}") from error


class Watcher(TrainerCallback):
    """Forwards TRL's metrics to the journal, and what is alarming in them."""

    def __init__(self, journal: Callable[..., Any]) -> None:
        self.journal = journal
        self.alarms = Alarms()
        self.trainer: Trainer | None = None  # None where steps are all there is to count

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not logs or ("train_runtime" in logs and MEAN_LENGTH not in logs):
            return  # the closing line of the trainer holds run times, and steps only where some are not logged yet
        metrics = {
            f"metric/{name}" if name in OF_A_LINE else name: value
            for name, value in logs.items()
            if name not in RUN_TIMES
        }
        self.journal("metrics", step=state.global_step, **metrics)
        for alarm in self.alarms.look(metrics):
            self.journal("alarm", step=state.global_step, name=alarm.name, words=alarm.words, cure=alarm.cure)
            if alarm.name == NOT_A_NUMBER:
                raise UserError(
                    f"training ended at step {state.global_step}, {alarm.name}: {alarm.words}, and so would all weights be; "
                    f"the checkpoint before is kept; {alarm.cure}"
                )
        steps = {"done": state.global_step, "total": state.max_steps, "unit": "steps"}
        self.journal("progress", **(steps if self.trainer is None else self.trainer.how_far()))
