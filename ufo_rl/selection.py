"""Stage 2, `select`: signal columns -> the kept ids. Pure and instant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ufo_rl.config import num_kept
from ufo_rl.selector import Selector


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
    share of the kept rows whose place only the hash decided, `near_cut` the number of rows within 1e-5 of the cut.
    """
    ids = columns["id"]
    in_order = np.argsort(ids)  # a fixed row order: sums (the mean) must not depend on the caller's
    key = np.empty(len(ids))
    key[in_order] = selector.sort_key({name: column[in_order] for name, column in columns.items()})
    draw = np.array([hashlib.sha256(f"{seed}:{i}".encode()).hexdigest() for i in ids])
    order = np.lexsort((draw, key))
    keep = len(ids) if selector.keeps_all else num_kept(ratio, len(ids))
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(1, len(ids) + 1)
    cut = key[order[keep - 1]]
    is_cut_tied = keep < len(ids) and key[order[keep]] == cut
    num_tied = int((key[order[:keep]] == cut).sum()) if is_cut_tied else 0
    near_cut = int((np.abs(key - cut) <= 1e-5).sum()) if keep < len(ids) else 0
    return Selection(sorted(ids[order[:keep]].tolist()), rank, len(ids), num_tied / keep, near_cut)
