"""GPU-hours of a job, each with its source; nothing is assumed of a GPU's speed."""

from __future__ import annotations

from dataclasses import dataclass

from ufo_rl.commands.plan.before import Earlier
from ufo_rl.commands.plan.machine import Machine
from ufo_rl.config.training_schema import Train
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


def training(speed: Speed, model: Architecture | None, prompts: float, completions: float, train: Train) -> list[Hours]:
    """Generation, and the update: for each weight and token of prompt and completion two operations forward, two for the
    gradient of activations, two more for that of weights where all are trained, two where activations are computed again."""
    if speed.given is None and speed.measured is not None and speed.measured.training:
        rate = speed.measured.training
        source = f"{rate:,.0f} completion tokens/s a rank, update included, measured by {speed.measured.folder.name}"
        return [Hours("training", completions / rate / 3600, source)]
    operations = (6 if train.lora.rank is None else 4) + (2 if train.gradient_checkpointing else 0)
    passes = _passes("update", speed, model, prompts + completions, operations)
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


def _passes(part: str, speed: Speed, model: Architecture | None, tokens: float, operations: int) -> Hours:
    flops, share = speed.machine.flops, speed.utilization
    if model is None or flops is None or share is None:
        return Hours(part, None, UNKNOWN_PASSES)
    seconds = operations * model.num_parameters * tokens / (flops * share)
    source = (
        f"{operations} x {model.num_parameters:.3g} x {tokens:.3g} tokens at {flops / 1e12:.0f} TFLOP/s x {share:g}"
    )
    return Hours(part, seconds / 3600, source)
