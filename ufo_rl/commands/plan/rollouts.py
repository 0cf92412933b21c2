"""What generates the completions of training, and what else may on other GPUs."""

from __future__ import annotations

import dataclasses

from ufo_rl.commands.plan.machine import Machine
from ufo_rl.config.training_schema import Rollout
from ufo_rl.training.memory.estimate import estimate
from ufo_rl.training.memory.layout import GIB, Layout

OF = {"hf": "transformers' generate, on the ranks", "vllm_server": "vLLM on GPUs of its own"}


def rollout_told(layout: Layout | None, rollout: Rollout, machine: Machine, is_found_here: bool) -> list[str]:
    """is_found_here: rollout=auto went by this machine, and the plan is for another."""
    lines = [f"rollout {rollout.name}: {OF.get(rollout.name) or _shared(rollout, machine)}"]
    if is_found_here and rollout.name == "hf":
        words = "rollout=auto is hf here; with vLLM installed on those GPUs it is vllm_colocate"
        there = dataclasses.replace(rollout, name="vllm_colocate")
        if layout is not None:
            found = estimate(dataclasses.replace(layout, rollout=there), machine.gpu)
            words += f": {_shared(there, machine)}, {found.peak / GIB:.1f} GiB a rank, most in {found.phase}"
        lines.append(f"{words}; rollout=vllm_colocate plans for it")
    return lines


def _shared(rollout: Rollout, machine: Machine) -> str:
    size = "" if machine.gpu is None else f", {rollout.memory_share * machine.gpu / GIB:.1f} GiB"
    when = " while it generates" if rollout.sleep else ""
    return f"vLLM with rollout.memory_share={rollout.memory_share:g} of the GPUs that train{size}{when}"
