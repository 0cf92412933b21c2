"""How much of what one arm keeps another keeps too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ufo_rl.report.comparing.pairing import Block


def kept_sets(block: Block) -> dict[str, set[str]]:
    """The kept ids by arm, of the first seed in which most arms ran; arms without it are left out."""
    seeds = [run.seed for run in block.runs if run.selection.get("ids")]
    if not seeds:
        return {}
    seed = max(dict.fromkeys(seeds), key=seeds.count)
    found: dict[str, set[str]] = {}
    for run in block.runs:
        if run.seed == seed and run.selection.get("ids"):
            found.setdefault(block.arms[run], set(run.selection["ids"]))
    return found


def jaccard(sets: Mapping[str, set[str]]) -> tuple[Sequence[str], np.ndarray]:
    """The arms, and the (N, N) overlaps |A and B| / |A or B| of their sets; 1 on the diagonal."""
    names = list(sets)
    table = np.array([[_overlap(sets[one], sets[other]) for other in names] for one in names])
    return names, table


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0
