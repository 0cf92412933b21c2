"""What a training takes on each GPU, in a line, before hours are spent on what comes before it."""

from __future__ import annotations

from ufo_rl.training.memory.estimate import Estimate
from ufo_rl.training.memory.layout import GIB


def memory_told(found: Estimate, available: int | None) -> str:
    """It begins with a warning where the GPU has less. available: bytes of it, None where nobody knows."""
    told = f"the training takes about {found.peak / GIB:.1f} GiB on each rank (most in {found.phase})"
    if available is None:
        return told
    if found.peak <= available:
        return f"{told}, of {available / GIB:.0f} GiB of its GPU"
    return (
        f"warning: {told}, more than the {available / GIB:.0f} GiB of its GPU: it will run out of memory; `ufo-rl plan` with "
        "the same words says what changes that"
    )
