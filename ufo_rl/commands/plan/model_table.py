"""What one recipe takes of memory for every shipped model, stage of ZeRO and number of GPUs: docs/plan.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ufo_rl.commands.plan.cures import LORA_RANK, option
from ufo_rl.commands.plan.job_plan import plan_job
from ufo_rl.commands.plan.machine import MARGIN
from ufo_rl.commands.plan.options import PlanOptions
from ufo_rl.config.compose import Job, compose_one
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.model.unloaded.architecture import architecture_of
from ufo_rl.report.text import count, markdown
from ufo_rl.training.memory.estimate import estimate
from ufo_rl.training.memory.layout import GIB, Layout

STAGES = ("off", "zero1", "zero2", "zero3", "zero3_offload")
RANKS, GPUS = (1, 8, 16), (24, 48, 80)  # GPUs of so many GiB
BEYOND = ("model.path=Qwen/Qwen2.5-14B-Instruct", 200_000)  # a model larger than the shipped ones, and prompts


def model_table(overrides: Sequence[str], config_dir: str | None, config_name: str | None) -> str:
    """Two tables as Markdown. UserError where the overrides choose what the table varies."""
    varied = ("model", "deepspeed", "launch.num_ranks")
    if taken := [word for word in overrides if word.split("=")[0] in varied]:
        raise UserError(f"plan --table: it varies {', '.join(varied)}; leave {' '.join(taken)} out")
    lines = [line for name in shipped() for line in _of_model([*overrides, f"model={name}"], config_dir, config_name)]
    lines += _of_model([*overrides, BEYOND[0]], config_dir, config_name)
    columns = (f"{ranks} GPU{'s' if ranks > 1 else ''}: GiB (GPU of GiB)" for ranks in RANKS)
    header = ["model", "parameters", "trained by", *columns]
    own = ("launch.num_ranks=16", "train.gradient_accumulation_steps=1", "deepspeed=zero3")
    job = compose_one([*overrides, BEYOND[0], *own], config_dir, config_name, "plan")
    return f"{markdown(header, lines)}\n\n{_beyond(job)}"


def shipped() -> list[str]:
    """The models of model/, but the one that stands for any."""
    return sorted(path.stem for path in (conf_folder() / "model").glob("*.yaml") if path.stem != "custom")


def _of_model(overrides: Sequence[str], config_dir: str | None, config_name: str | None) -> list[list[str]]:
    config = load(compose_one(overrides, config_dir, config_name, "plan").plain)
    model, train = architecture_of(config.model), config.train
    if model is None:
        return [[config.model.name, "-", "-", *("-" for _ in RANKS)]]
    a_step = train.gradient_accumulation_steps * config.launch.num_ranks  # batches of all ranks together
    rows = []
    for stage, rank in [*((stage, None) for stage in STAGES), ("zero2", LORA_RANK)]:
        cells = []
        for ranks in RANKS:
            lora = dataclasses.replace(train.lora, rank=rank)
            own = dataclasses.replace(train, gradient_accumulation_steps=max(1, a_step // ranks), lora=lora)
            longest = train.max_prompt_tokens or 512
            layout = Layout(
                model, own, option(stage), config.rollout, ranks, longest, train.max_completion_tokens, True
            )
            cells.append(_cell(estimate(layout).peak))
        words = stage if rank is None else f"{stage}, LoRA of rank {rank}"
        rows.append([config.model.name, f"{model.num_parameters:,}", words, *cells])
    return rows


def _cell(peak: float) -> str:
    """GiB a rank, and the smallest GPU that has room for it."""
    fitting = [size for size in GPUS if peak <= (1 - MARGIN) * size * GIB]
    return f"{peak / GIB:.1f} ({fitting[0]})" if fitting else f"{peak / GIB:.1f} (none)"


def _beyond(job: Job) -> str:
    """The plan of one job as a row."""
    plan = plan_job(job, PlanOptions(gpu="h100", prompts=BEYOND[1]))
    amounts, signal = plan.amounts, plan.signals[0]
    assert amounts is not None and amounts.completions is not None and plan.memory is not None
    header = [
        "model",
        "GPUs",
        "prompts",
        "scored, tokens forward",
        "kept",
        "steps",
        "completions",
        "generated tokens",
        "GiB a rank (GPU of GiB)",
    ]
    row = [
        plan.basis.job.plain["model"]["path"],
        "16, zero3",
        count(BEYOND[1]),
        f"about {count(signal.forward)}",
        count(amounts.kept),
        count(amounts.steps),
        count(amounts.completions),
        f"{count(amounts.completions)} to {count(amounts.max_tokens)}",
        _cell(plan.memory.peak),
    ]
    return markdown(header, [row])
