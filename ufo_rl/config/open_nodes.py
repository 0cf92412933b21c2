"""Nodes below which keys may be added: Hydra asks for a + before such a key, where we know better it need not."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Their keys are checked by name against what they belong to, a package or the model's chat template, so that a plain
# key=value cannot be a slip.
CHECKED_NODES = ("train.trl", "engine.vllm", "template.chat_template_kwargs")
OPEN_NODES = ("deepspeed.config", "reward.parts", "launch.slurm.additional_parameters", *CHECKED_NODES)
BELOW_CHECKED = re.compile(rf"\+{{0,2}}(?=(?:{'|'.join(map(re.escape, CHECKED_NODES))})[.=])")


def is_below(key: str, nodes: Sequence[str]) -> bool:
    """Whether a key is one of the nodes or stands below it."""
    return any(key == node or key.startswith(f"{node}.") for node in nodes)


def freely(override: str) -> str:
    """The override as Hydra takes it: `train.trl.x=y` and `+train.trl.x=y` both set the key, be it there or not."""
    return BELOW_CHECKED.sub("++", override, count=1) if BELOW_CHECKED.match(override) else override
