"""A step of training in words: whether the policy learns can be seen while it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ufo_rl.files.journal import number

PART = "rewards/{}/mean"  # TRL's metric of a part of the reward, without its weight


def step_in_words(line: Mapping[str, Any]) -> str:
    """`line`: TRL's metrics of a step, as the journal has them. A dead group is one whose completions all have the same
    reward: it teaches nothing. What TRL does not tell is left out."""
    prefix, _, suffix = PART.partition("{}")
    parts = {
        name.removeprefix(prefix).removesuffix(suffix): number(value)
        for name, value in line.items()
        if name.startswith(prefix) and name.endswith(suffix)
    }
    reward, length = number(line.get("reward")), number(line.get("completions/mean_length"))
    dead, truncated, kl, norm = (
        number(line.get(name)) for name in ("frac_reward_zero_std", "completions/clipped_ratio", "kl", "grad_norm")
    )
    said = []
    if reward is not None:
        named = ", ".join(f"{name} {value:.3g}" for name, value in parts.items() if value is not None)
        said.append(f"reward {reward:.3g}" + (f" ({named})" if named else ""))
    if length is not None:
        said.append(f"{length:.0f} tokens a completion")
    if truncated is not None:
        said.append(f"{100 * truncated:.0f} % truncated")
    if dead is not None:
        said.append(f"{100 * dead:.0f} % dead groups")
    said += [f"{words} {value:.2g}" for words, value in (("KL", kl), ("gradient norm", norm)) if value is not None]
    return ", ".join(said)
