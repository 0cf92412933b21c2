"""The groups of a set of completions: of which prompts, with which rewards, and why some of them teach nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

CORRECTNESS = "correctness"  # the part of the reward that says what is right
ALL_RIGHT, ALL_WRONG, FORMAT_ONLY = "all_right", "all_wrong", "format_only"
SAME = "same"  # without that part, or of answers that are right in part
REASONS = (ALL_RIGHT, ALL_WRONG, FORMAT_ONLY, SAME)
ROUNDING = 1e-9  # relative, of sums in float64


@dataclass(frozen=True)
class Group:
    """id: of the prompt. rewards: the sum of the weighted parts, a number a completion, nan where no part gave one. dead: one
    of REASONS where all are the same, "" where they are not. right: completions that are, by the part `correctness`; without
    it what the rewards come to, as shares of the most that the parts can give."""

    id: str
    rewards: list[float]
    dead: str
    right: float


def groups_of(
    ids: Sequence[str], parts_NP: torch.Tensor, weights: Sequence[float], names: Sequence[str], size: int
) -> list[Group]:
    """ids: of the prompt of each of N completions, groups of `size` beside each other. parts_NP: rewards by part, nan where a
    part gave none; names: of the parts.

    A dead group is all right or all wrong by the part `correctness`; all wrong with a reward above 0 all the same (for its
    form) is `format_only`.
    """
    totals_N = (parts_NP.double() * parts_NP.new_tensor(weights, dtype=torch.float64)).nansum(1)
    totals_N[parts_NP.isnan().all(1)] = torch.nan
    found = []
    for start in range(0, len(ids), size):
        totals_S, own_SP = totals_N[start : start + size], parts_NP[start : start + size]
        right = _right(totals_S, own_SP, weights, names)
        found.append(Group(ids[start], totals_S.tolist(), _dead(totals_S, own_SP, names), right))
    return found


def _right(totals_S: torch.Tensor, parts_SP: torch.Tensor, weights: Sequence[float], names: Sequence[str]) -> float:
    if CORRECTNESS in names:
        return float(parts_SP[:, list(names).index(CORRECTNESS)].nan_to_num(0.0).clamp(0, 1).sum())
    most = sum(weight for weight in weights if weight > 0)
    return float((totals_S.nan_to_num(0.0) / most).clamp(0, 1).sum()) if most else 0.0


def _dead(totals_S: torch.Tensor, parts_SP: torch.Tensor, names: Sequence[str]) -> str:
    known = totals_S[~totals_S.isnan()]
    if len(known) > 1 and known.max() - known.min() > ROUNDING * max(1.0, float(known.abs().max())):
        return ""
    if CORRECTNESS not in names:
        return SAME
    right_S = parts_SP[:, list(names).index(CORRECTNESS)].nan_to_num(0.0)
    if bool((right_S >= 1).all()):
        return ALL_RIGHT
    if bool((right_S == 0).all()):
        return FORMAT_ONLY if len(known) and float(known[0]) > 0 else ALL_WRONG
    return SAME
