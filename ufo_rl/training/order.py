"""The order in which the kept prompts are trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ufo_rl.records import Prompt

EASY_FIRST, HARD_FIRST, AS_RANKED = "easy_first", "hard_first", "as_ranked"
EASE = ("pass_rate", "confidence")  # columns that are the larger the easier a prompt is; the better one first


def ease_column(names: Collection[str]) -> str | None:
    """The column that says how easy prompts are, None where none of these does."""
    return next((name for name in EASE if name in names), None)


def in_order(
    prompts: Sequence[Prompt], order: str, columns: Mapping[str, np.ndarray], rank: np.ndarray, ease: str | None
) -> list[Prompt]:
    """The prompts as `train.order` asks; `shuffled` is the trainer's matter and leaves them as they are.

    columns: of the pool, with `id`; rank: of their rows, 1 for the selector's best; ease: the column that says how easy they
    are. What is equally easy goes by rank.
    """
    if order not in (EASY_FIRST, HARD_FIRST, AS_RANKED):
        return list(prompts)
    keys = [rank]
    if order != AS_RANKED:
        if ease is None:
            raise KeyError(f"train.order={order} needs one of {', '.join(EASE)}")
        keys.append(columns[ease] if order == HARD_FIRST else -columns[ease])
    place = {id: n for n, id in enumerate(columns["id"][np.lexsort(keys)].tolist())}
    return sorted(prompts, key=lambda prompt: place[prompt.id])
