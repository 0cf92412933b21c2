"""Texts that end at their target, as tokens: which of them are the target's, and what the texts share.

Offsets decide, never the tokens of the target alone: tokenizers merge over the border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from ufo_rl.errors import UserError

MIN_PREFIX = 8  # tokens; a shorter common beginning is not worth a cache


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a text that ends at its target; `num_target` of them, at the end, are the target's.

    `border` is what the first target token carries of the characters before the target.
    """

    ids: list[int]
    num_target: int
    border: str


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], starts: Sequence[int]) -> list[Encoded]:
    """Tokens of each text, and how many belong to the target that begins at character `start`.

    The target's tokens are all that overlap its characters. Needs a fast tokenizer (offsets).
    """
    if not texts:
        return []
    encodings = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False).encodings
    assert encodings is not None  # only slow tokenizers have none
    return [_span(*row) for row in zip(texts, starts, encodings, strict=True)]


def _span(text: str, start: int, encoding: Any) -> Encoded:
    first = encoding.char_to_token(start) if start < len(text) else None
    if first is None:  # a character that no token shows: the first token that ends behind it
        first = next((i for i, (_, end) in enumerate(encoding.offsets) if end > start), None)
    if first is None or first == 0:
        what = "no target tokens" if first is None else "no token before the target"
        raise UserError(f"signal.confidence.target: {what} in the text that ends {text[-80:]!r}; choose another target")
    begin, _ = encoding.token_to_chars(first)
    return Encoded(encoding.ids, len(encoding.ids) - first, text[min(begin, start) : start])


def common_prefix(rows: Sequence[Encoded]) -> list[int]:
    """The token ids that all rows begin with, at least one token of context left to each; [] if too few to matter."""
    if len(rows) < 2:
        return []
    first, last = min(row.ids for row in rows), max(row.ids for row in rows)  # whatever these two share, all share
    room = min(len(row.ids) - row.num_target for row in rows) - 1
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    length = min(shared, room)
    return first[:length] if length >= MIN_PREFIX else []
