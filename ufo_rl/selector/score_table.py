"""The score table: every prompt of the pool with what is known of it and what became of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ufo_rl.selector.cut import Selection


def fuzziness(confidence: np.ndarray) -> np.ndarray:
    """Score(x) = 1 - (s(x) - mu)^2, mu the mean over the pool (arXiv 2505.12457). Shape (n,) to (n,)."""
    return 1 - (confidence - confidence.mean()) ** 2


def score_table(columns: dict[str, np.ndarray], selection: Selection) -> pa.Table:
    """One row per prompt, sorted by id: the same bytes whatever order the pool came in."""
    data = dict(columns)
    order = np.argsort(data["id"])
    if "confidence" in data:
        data["fuzziness"] = np.empty(len(order))
        data["fuzziness"][order] = fuzziness(data["confidence"][order])
    kept = set(selection.ids)
    data["rank"] = selection.rank
    data["kept"] = np.array([i in kept for i in data["id"].tolist()])
    return pa.table({name: pa.array(values[order]) for name, values in data.items()})
