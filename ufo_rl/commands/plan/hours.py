"""GPU-hours of a job, each with its source; nothing is assumed of a GPU's speed."""

from __future__ import annotations

from dataclasses import dataclass

from ufo_rl.commands.plan.before import Earlier
from ufo_rl.commands.plan.machine import Machine
from ufo_rl.config.training_schema import Rollout, Train
from ufo_rl.model.unloaded.architecture import Architecture


@dataclass(frozen=True)
class Speed:
    """What is known of it. given: generated tokens a second of one GPU; utilization: share of the GPU's peak that
    passes reach."""

    given: float | None
    utilization: float | None
    machine: Machine
    measured: Earlier | None


@dataclass(frozen=True)
class Hours:
    """hours: of all ranks together, None where unknown; source says from what, or what to give."""

    part: str
    hours: float | None
    source: str


UNKNOWN = "unknown; give --tokens-per-second N (generated, of one GPU)"
UNKNOWN_PASSES = "unknown; give --gpu KIND --utilization SHARE"


def scoring(speed: Speed, model: Architecture | None, tokens: float) -> Hours:
    """One forward pass: two operations a weight and token."""
    if speed.measured is not None and speed.measured.scoring and not _has_peak(speed):
        rate = speed.measured.scoring
        return Hours(
            "scoring", tokens / rate / 3600, f"{rate:,.0f} tokens/s a rank, measured by {speed.measured.folder.name}"
        )
    return _passes("scoring", speed, model, tokens, 2)


def operations(train: Train, rollout: Rollout, num_ranks: int) -> int:
    """Of an update for each weight and token of prompt and completion.

    Of each backward pass: two forward, two for the gradient of activations, two more for that of weights where all are
    trained, two where activations are computed again. Once for each completion: two forward of the reference, with
    adapters too, and two for old log-probabilities, which TRL takes where vLLM's samples are corrected and where a step
    does not end with its set."""
    backward = (6 if train.lora.rank is None else 4) + (2 if train.gradient_checkpointing else 0)
    serves = train.passes_per_set(num_ranks) * train.num_iterations
    is_corrected = rollout.is_vllm and rollout.correction != "none"
    has_old = is_corrected or train.gradient_accumulation_steps % serves != 0
    return backward * train.num_iterations + (2 if train.beta > 0 else 0) + (2 if has_old else 0)


def limited(train: Train, num_ranks: int) -> Hours | None:
    """Of a training that ends with its time."""
    if train.budget_unit != "seconds" or train.max_seconds is None:
        return None
    hours = train.max_seconds * num_ranks / 3600
    return Hours("training", hours, f"train.max_seconds={train.max_seconds:g} x {num_ranks} ranks")


def training(speed: Speed, model: Architecture | None, prompts: float, completions: float, each: int) -> list[Hours]:
    """Generation, and the update of so many operations for each weight and token."""
    if speed.given is None and speed.measured is not None and speed.measured.training:
        rate = speed.measured.training
        source = f"{rate:,.0f} completion tokens/s a rank, update included, measured by {speed.measured.folder.name}"
        return [Hours("training", completions / rate / 3600, source)]
    passes = _passes("update", speed, model, prompts + completions, each)
    return [generating("rollouts", speed, completions), passes]


def generating(part: str, speed: Speed, tokens: float) -> Hours:
    if speed.given is not None:
        source = f"--tokens-per-second {speed.given:g}"
        return Hours(part, tokens / speed.given / 3600, source)
    if speed.measured is not None and speed.measured.evaluation:
        rate = speed.measured.evaluation
        return Hours(
            part, tokens / rate / 3600, f"{rate:,.0f} tokens/s a rank, measured by {speed.measured.folder.name}"
        )
    return Hours(part, None, UNKNOWN)


def _has_peak(speed: Speed) -> bool:
    return speed.machine.flops is not None and speed.utilization is not None


def _passes(part: str, speed: Speed, model: Architecture | None, tokens: float, each: int) -> Hours:
    flops, share = speed.machine.flops, speed.utilization
    if model is None or flops is None or share is None:
        return Hours(part, None, UNKNOWN_PASSES)
    seconds = each * model.num_parameters * tokens / (flops * share)
    source = f"{each} x {model.num_parameters:.3g} x {tokens:.3g} tokens at {flops / 1e12:.0f} TFLOP/s x {share:g}"
    return Hours(part, seconds / 3600, source)
