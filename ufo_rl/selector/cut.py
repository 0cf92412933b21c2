"""Stage 2, `select`: signal columns -> the kept ids. Pure and instant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ufo_rl.errors import UserError
from ufo_rl.selector import Bounded, Selector
from ufo_rl.selector.columns import Columns
from ufo_rl.selector.tolerance import NEAR


@dataclass(frozen=True)
class Selection:
    """`ids` are the kept ids, sorted; `rank` (n,) is 1 for the row kept first, in the order of the columns."""

    ids: list[str]
    rank: np.ndarray
    num_pool: int
    tie_share: float
    near_cut: int


def select(columns: dict[str, np.ndarray], selector: Selector, ratio: float, seed: int) -> Selection:
    """Order the pool by the selector's key, then by a seeded hash of the id, and cut.

    The result depends on the rows alone, not on their order; 5 % is inside 10 % for every selector. `tie_share` is the
    share of the kept rows whose place only the hash decided. `near_cut` is the number of rows that could change sides
    when what was measured moves within its tolerance, as other hardware may move it: no more rows than these can be
    replaced. Both are 0 for a selector that asks for no signal.

    Raises UserError where the key of a row is no finite number: sorting would silently make the rest a random draw.
    """
    ids = columns["id"]
    in_order = np.argsort(ids)  # a fixed row order: sums (the mean) must not depend on the caller's
    ordered = (columns if isinstance(columns, Columns) else Columns(columns)).in_order(in_order)
    found = np.asarray(selector.sort_key(ordered), dtype=np.float64)
    if found.shape != ids.shape:
        raise UserError(
            f"the selector's sort_key returned numbers of shape {found.shape} for {len(ids)} prompts; return one a prompt"
        )
    key = np.empty(len(ids))
    key[in_order] = found
    bad = ids[~np.isfinite(key)]
    if len(bad):
        raise UserError(
            f"the selector's key is no finite number for {len(bad)} of {len(ids)} prompts, first {min(bad)}; look at "
            "their signals: a damaged measurement is made again once its chunk is removed from outputs/cache/signals"
        )
    drawn = (hashlib.sha256(f"{seed}:{i}".encode()).digest()[:8] for i in ids.tolist())
    # Numbers sort faster than bytes.
    draw = np.fromiter(drawn, dtype="S8", count=len(ids)).view(">u8").astype(np.uint64)
    order = np.lexsort((draw, key))
    keep = len(ids) if selector.keeps_all else num_kept(ratio, len(ids))
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(1, len(ids) + 1)
    cut = float(key[order[keep - 1]])
    is_measured = bool(selector.signals) and keep < len(ids)
    is_cut_tied = is_measured and key[order[keep]] == cut
    num_tied = int((key[order[:keep]] == cut).sum()) if is_cut_tied else 0
    near_cut = _num_near(selector, ordered, key, cut, keep) if is_measured else 0
    return Selection(sorted(ids[order[:keep]].tolist()), rank, len(ids), num_tied / keep, near_cut)


def _num_near(selector: Selector, columns: dict[str, np.ndarray], key: np.ndarray, cut: float, keep: int) -> int:
    """How many rows are kept or not within the tolerance: with a movable key, neither surely kept nor surely left."""
    if not isinstance(selector, Bounded):
        return int(((np.abs(key - cut) <= NEAR) & (key != cut)).sum())
    low, high = selector.key_bounds(columns)
    can_be_kept = low <= np.partition(high, keep - 1)[keep - 1]
    can_be_left = high >= np.partition(low, keep)[keep]
    return int((can_be_kept & can_be_left & (low < high)).sum())


def num_kept(ratio: float, num_prompts: int) -> int:
    """floor(ratio * n) in exact decimal arithmetic, at least 1: 0.1 of 17,255 is 1,725, 0.29 of 100 is 29."""
    return max(1, int(Decimal(repr(ratio)) * num_prompts))
