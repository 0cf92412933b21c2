"""Memory that is not there, on GPUs or on the disk, and the smallest change after which it is enough."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

from ufo_rl.commands.plan.findings import Finding
from ufo_rl.commands.plan.machine import Machine
from ufo_rl.config.compose import compose_one
from ufo_rl.config.schema import Config
from ufo_rl.training.memory.estimate import Estimate, disk, estimate, total
from ufo_rl.training.memory.layout import GIB, Layout

LORA_RANK = 16
SETS = "steps_per_generation"  # TRL's name of the passes that a set of completions is split into
Change = tuple[Layout, tuple[str, ...]]


def memory_findings(layout: Layout, found: Estimate, machine: Machine) -> Iterator[Finding]:
    """Of a rank's GPU."""
    room = machine.room
    if room is None or machine.gpu is None:
        return
    if layout.rollout.name == "vllm_colocate":
        yield from _of_vllm(layout, found, machine)
    if found.peak <= room:
        return
    words = (
        f"a rank needs {found.peak / GIB:.1f} GiB ({found.phase}), its GPU has {machine.gpu / GIB:.1f}, of which "
        f"{room / GIB:.1f} may be taken"
    )
    yield Finding("memory", words, smallest(layout, machine))
    reference = [part for part in found.throughout if part.name == "reference"]
    if reference:
        words = f"train.beta={layout.train.beta:g}: the reference model takes {total(reference) / GIB:.1f} GiB of that"
        without = estimate(_with(layout, beta=0.0), machine.gpu).peak
        if without <= room:
            yield Finding("reference", words, ("train.beta=0.0",))
        else:
            yield Finding("reference", f"{words}; without it a rank still needs {without / GIB:.1f} GiB")


def smallest(layout: Layout, machine: Machine) -> tuple[str, ...]:
    """Overrides with which it fits: one that changes no result where there is one, then several of them, then adapters;
    () where none of ours is enough."""
    ways = [_checkpointed, *(functools.partial(_sharded, stage) for stage in (1, 2, 3)), _smaller, _fewer_generated]
    ways += [_offloaded, _more_ranks]
    changes = [change for way in ways if (change := way(layout)) is not None]
    for changed, overrides in changes:
        if _fits(changed, machine):
            return overrides
    together, told = layout, dict[str, str]()
    for way in (
        _checkpointed,
        functools.partial(_sharded, 3),
        _smaller,
        _fewer_generated,
        _offloaded,
        _more_ranks,
        _adapted,
    ):
        change = way(together)
        if change is None:
            continue
        together = change[0]
        told |= {word.partition("=")[0]: word for word in change[1]}
        if _fits(together, machine):
            return tuple(told.values())
    return ()


def _fits(layout: Layout, machine: Machine) -> bool:
    return machine.room is not None and estimate(layout, machine.gpu).peak <= machine.room


def _with(layout: Layout, **changes: Any) -> Layout:
    return dataclasses.replace(layout, train=dataclasses.replace(layout.train, **changes))


def _checkpointed(layout: Layout) -> Change | None:
    if layout.train.gradient_checkpointing:
        return None
    return _with(layout, gradient_checkpointing=True), ("train.gradient_checkpointing=true",)


def _sharded(stage: int, layout: Layout) -> Change | None:
    if layout.stage >= stage or layout.num_ranks == 1:
        return None
    return dataclasses.replace(layout, deepspeed=option(f"zero{stage}")), (f"deepspeed=zero{stage}",)


def _smaller(layout: Layout) -> Change | None:
    """A divisor of the batch at a time, and as much more accumulation: the same completions a step."""
    train = layout.train
    rows = train.per_device_train_batch_size
    if rows == 1:
        return None
    divisor = next(number for number in range(2, rows + 1) if rows % number == 0)
    fewer, passes = rows // divisor, train.gradient_accumulation_steps * divisor
    overrides = (f"train.per_device_train_batch_size={fewer}", f"train.gradient_accumulation_steps={passes}")
    trl = dict(train.trl)
    if SETS in trl:
        trl[SETS] *= divisor
        overrides += (f"train.trl.{SETS}={trl[SETS]}",)
    changed = _with(layout, per_device_train_batch_size=fewer, gradient_accumulation_steps=passes, trl=trl)
    return changed, overrides


def _fewer_generated(layout: Layout) -> Change | None:
    """As few completions generated together as make whole groups: a step then takes several sets of them."""
    train = layout.train
    if layout.rollout.is_vllm or SETS in train.trl or "generation_batch_size" in train.trl:
        return None
    at_once = train.per_device_train_batch_size * layout.num_ranks
    least = math.lcm(at_once, train.num_generations) // at_once
    if least >= train.gradient_accumulation_steps:
        return None
    return _with(layout, trl={**train.trl, SETS: least}), (f"train.trl.{SETS}={least}",)


def _offloaded(layout: Layout) -> Change | None:
    if layout.is_away("offload_optimizer"):
        return None
    return dataclasses.replace(layout, deepspeed=option("zero3_offload")), ("deepspeed=zero3_offload",)


def _more_ranks(layout: Layout) -> Change | None:
    """Twice as many, with half of the accumulation where that is whole: the same completions a step."""
    passes = layout.train.gradient_accumulation_steps
    if layout.stage == 0 or passes % 2:
        return None
    changed = dataclasses.replace(
        _with(layout, gradient_accumulation_steps=passes // 2), num_ranks=2 * layout.num_ranks
    )
    return changed, (f"launch.num_ranks={2 * layout.num_ranks}", f"train.gradient_accumulation_steps={passes // 2}")


def _adapted(layout: Layout) -> Change | None:
    if layout.train.lora.rank is not None:
        return None
    lora = dataclasses.replace(layout.train.lora, rank=LORA_RANK)
    return _with(layout, lora=lora), (f"train.lora.rank={LORA_RANK}",)


@functools.cache
def option(name: str) -> dict[str, Any]:
    """DeepSpeed's JSON of an option of deepspeed/."""
    return compose_one([f"deepspeed={name}", "model=tiny-rules"], None, None, "plan").plain["deepspeed"]["config"]


def _of_vllm(layout: Layout, found: Estimate, machine: Machine) -> Iterator[Finding]:
    rollout, model = layout.rollout, layout.model
    assert machine.gpu is not None and machine.room is not None
    given = rollout.memory_share * machine.gpu
    weights = model.num_parameters * layout.computed / rollout.tensor_parallel
    least = weights + model.kv_bytes(layout.computed) * layout.width / rollout.tensor_parallel
    if given < least:
        share = -(-100 * least // machine.gpu) / 100
        words = (
            f"rollout.memory_share={rollout.memory_share:g} gives vLLM {given / GIB:.1f} GiB of a GPU, its weights and the "
            f"cache of one completion take {least / GIB:.1f}"
        )
        yield Finding("vLLM's share", words, (f"rollout.memory_share={share:g}",) if share <= 0.9 else ())
    held = total(found.throughout) + (given if rollout.sleep else 0.0)
    if held > machine.room and given >= least:
        room = machine.room - (held - given)
        words = (
            f"rollout.memory_share={rollout.memory_share:g} of {machine.gpu / GIB:.1f} GiB beside what training holds while "
            f"vLLM generates: {held / GIB:.1f} GiB"
        )
        share = 100 * room // machine.gpu / 100
        yield Finding("vLLM's share", words, (f"rollout.memory_share={share:g}",) if room >= least else ())


def disk_finding(config: Config, layout: Layout, free: float) -> Finding | None:
    """Of the disk that outputs lie on."""
    needed = total(disk(layout))
    if needed <= free:
        return None
    words = (
        f"{needed / GIB:.1f} GiB are written to paths.outputs={config.paths.outputs}, where {free / GIB:.1f} are free"
    )
    changes: list[dict[str, Any]] = [{"keep_checkpoints": 1}, {"save_steps": None}]
    changes.append({"save_steps": None, "eval_steps": None, "best_by": None})
    least = needed
    for change in changes:
        changes_it = {key: value for key, value in change.items() if getattr(layout.train, key) != value}
        takes = total(disk(_with(layout, **changes_it)))
        if takes <= free:
            cure = tuple(f"train.{key}={'null' if value is None else value}" for key, value in changes_it.items())
            return Finding("disk", words, cure)
        least = min(least, takes)
    return Finding(
        "disk", f"{words}; without checkpoints it would be {least / GIB:.1f}: free as much, or name another disk"
    )
