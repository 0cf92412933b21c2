"""What does not fit, divide or do anything, each with the smallest change that mends it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ufo_rl.commands.plan.amounts import Amounts
from ufo_rl.commands.plan.machine import Machine
from ufo_rl.config.schema import Config
from ufo_rl.training.memory.layout import Layout
from ufo_rl.training.policy import checkpoint_every

LARGE = 1e8  # parameters from which on a model is no toy
USUAL_RANK = 16
MOST_STEP = 1e-4  # step size that trains all weights of such a model


@dataclass(frozen=True)
class Finding:
    """name: of its kind. words: the key, its value, and what comes of it. cure: overrides that mend it, in one line."""

    name: str
    words: str
    cure: tuple[str, ...] = ()


def findings(config: Config, layout: Layout | None, amounts: Amounts | None, machine: Machine) -> Iterator[Finding]:
    """But those of memory (cures.py)."""
    if amounts is not None:
        yield from _of_steps(config, amounts)
    if layout is not None:
        yield from _of_model(config, layout, machine)
        yield from _of_adapters(config, layout)
    yield from _of_settings(config, machine)


def _of_steps(config: Config, amounts: Amounts) -> Iterator[Finding]:
    train, steps = config.train, amounts.steps
    if amounts.kept < amounts.per_set:
        yield Finding(
            "kept prompts",
            f"{amounts.kept} kept prompts are fewer than the {amounts.per_set} of one set: nothing would be trained",
            smaller_set(config, amounts.kept),
        )
        return
    if steps is None:
        return
    if train.save_steps is not None and train.save_steps >= 1 and train.save_steps >= steps:
        every = checkpoint_every(train.save_steps, steps)
        words = (
            f"train.save_steps={train.save_steps:g} is not below the {steps} steps: one every {every} is made instead"
        )
        yield Finding(
            "save steps", words, (f"train.save_steps={every}",) if every < steps else ("train.save_steps=null",)
        )
    if train.eval_steps is not None and train.eval_steps >= steps:
        every = max(1, math.ceil(steps / 3))
        words = f"train.eval_steps={train.eval_steps} is not below the {steps} steps: nothing is evaluated on the way"
        cure = (f"train.eval_steps={every}",) if every < steps else ("train.eval_steps=null", "train.best_by=null")
        yield Finding("evaluation steps", words, cure)
    refresh = config.refresh
    if refresh.every is not None and refresh.every >= steps:
        words = f"refresh.every={refresh.every} is not below the {steps} steps: nothing would be selected anew"
        yield Finding(
            "refresh", words, (f"refresh.every={max(1, math.ceil(steps / 3))}",) if steps > 1 else ("refresh=static",)
        )


def smaller_set(config: Config, kept: int) -> tuple[str, ...]:
    """Overrides with which one set takes no more prompts than are kept: fewer passes, else fewer completions at a time."""
    train, ranks = config.train, config.launch.num_ranks
    for passes in range(train.passes_per_set(ranks) - 1, 0, -1):
        completions = train.per_device_train_batch_size * passes * ranks
        if completions % train.num_generations == 0 and 0 < completions // train.num_generations <= kept:
            if train.trl.get("generation_batch_size"):
                return (f"train.trl.generation_batch_size={completions}",)
            key = "trl.steps_per_generation" if "steps_per_generation" in train.trl else "gradient_accumulation_steps"
            return (f"train.{key}={passes}",)
    least = math.lcm(train.num_generations, ranks) // ranks
    if least * ranks // train.num_generations <= kept:
        return (f"train.per_device_train_batch_size={least}", "train.gradient_accumulation_steps=1")
    return (
        "launch.num_ranks=1",
        f"train.per_device_train_batch_size={train.num_generations}",
        "train.gradient_accumulation_steps=1",
    )


def _of_model(config: Config, layout: Layout, machine: Machine) -> Iterator[Finding]:
    train, model, rollout = config.train, layout.model, config.rollout
    if model.positions is not None and layout.width > model.positions:
        room = model.positions - layout.prompt
        words = (
            f"train.max_completion_tokens={train.max_completion_tokens} behind a prompt of {layout.prompt} tokens goes beyond "
            f"the {model.positions} positions of {config.model.name}"
        )
        cure = f"train.max_completion_tokens={room}" if room > 0 else f"train.max_prompt_tokens={model.positions // 2}"
        yield Finding("positions", words, (cure,))
    if rollout.name == "vllm_colocate" and model.heads % rollout.tensor_parallel:
        parallel = math.gcd(model.heads, rollout.tensor_parallel)
        words = f"rollout.tensor_parallel={rollout.tensor_parallel} does not divide {config.model.name}'s {model.heads} heads"
        yield Finding(
            "tensor parallel", words, (f"rollout.tensor_parallel={math.gcd(parallel, config.launch.num_ranks)}",)
        )
    if layout.stage == 3 and rollout.name == "hf" and machine.is_cuda and config.launch.num_ranks > 1:
        words = (
            f"deepspeed={config.deepspeed.name} with rollout=hf: the whole model is gathered on every GPU for each set of "
            "completions, and generation is most of a step"
        )
        yield Finding("generation", words, ("rollout=vllm_colocate",))
    yield from _of_step_size(config, layout)


def _of_step_size(config: Config, layout: Layout) -> Iterator[Finding]:
    train, model = config.train, layout.model
    rate = train.learning_rate * (1.0 if train.lora.rank is None else train.lora.learning_rate_factor)
    if train.lora.rank is None and model.num_parameters >= LARGE and rate > MOST_STEP:
        words = (
            f"train.learning_rate={train.learning_rate:g} for {model.num_parameters:.3g} weights: a step for adapters"
        )
        yield Finding("step size", words, ("train.learning_rate=1.0e-6",))
    if train.lora.rank is not None and train.lora.learning_rate_factor == 1 and train.learning_rate <= 2e-6:
        words = (
            f"train.lora.rank={train.lora.rank} with train.learning_rate={train.learning_rate:g} x "
            "train.lora.learning_rate_factor=1: that is a step for all weights, adapters hardly move"
        )
        yield Finding("step size", words, ("train.lora.learning_rate_factor=10",))


def _of_adapters(config: Config, layout: Layout) -> Iterator[Finding]:
    lora, model = config.train.lora, layout.model
    if lora.rank is None:
        return
    if lora.rank > model.hidden:
        words = (
            f"train.lora.rank={lora.rank} is above the {model.hidden} hidden units of {config.model.name}: adapters "
            "would have more weights than what they adapt"
        )
        yield Finding("rank", words, (f"train.lora.rank={min(USUAL_RANK, model.hidden)}",))


def _of_settings(config: Config, machine: Machine) -> Iterator[Finding]:
    train, rollout = config.train, config.rollout
    narrowed = [
        f"train.trl.{key}={train.trl[key]:g}"
        for key, all_ in (("top_p", 1.0), ("top_k", 0))
        if train.trl.get(key, all_) != all_
    ]
    if narrowed and rollout.is_vllm and rollout.correction != "none":
        words = (
            f"{' and '.join(narrowed)} with rollout.correction={rollout.correction}: vLLM samples from another distribution "
            "than the policy, and no importance ratio corrects that"
        )
        yield Finding("sampling", words, ("train.trl.top_p=1.0", "train.trl.top_k=0"))
    if train.bf16 and not machine.has_bfloat16:
        yield Finding("precision", "train.bf16=true: these GPUs compute no bfloat16", ("train.bf16=false",))
    if train.bf16 and not machine.is_cuda:
        words = "train.bf16=true on processors: slow there, and no memory is saved without DeepSpeed"
        yield Finding("precision", words, ("train.bf16=false",))
