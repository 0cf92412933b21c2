"""Engines generate completions; what they are asked for is a Sampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ufo_rl.files.keys import digest
from ufo_rl.records import Completion


@dataclass(frozen=True)
class Sampling:
    """Completions of at most `max_tokens` tokens, which end before the first of the texts `stop`; temperature 0 is greedy."""

    temperature: float
    max_tokens: int
    stop: tuple[str, ...] = ()


class Engine(Protocol):
    """Generates one completion a text."""

    def generate(
        self, texts: Sequence[str], sampling: Sampling, seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Completion]]]:
        """Yield lists of (index into `texts`, completion): what became finished together. Each text is sampled with its
        own seed, so that its completion depends on no other text; greedy ones pass over the seeds."""
        ...


def sample_seed(seed: int, prompt_id: str, sample: int) -> int:
    """The seed (63 bits) of one sample of one prompt: the same whatever else is sampled beside it."""
    return int(digest([seed, prompt_id, sample], 16), 16) >> 1


def completion(
    tokenizer: Any, ids: list[int], eos_ids: Sequence[int], stop: Sequence[str] = (), pad: int | None = None
) -> Completion:
    """A completion from what was generated, padding behind its end included: text up to the end token, or to the first
    text of `stop`. pad: the token of padding behind such a text."""
    end = next((i for i, token in enumerate(ids) if token in eos_ids), None)
    text = str(tokenizer.decode(ids[:end], skip_special_tokens=True))
    kept = until(text, stop)
    if end is None and len(kept) < len(text):
        while ids[-1] == pad:
            ids = ids[:-1]
        return Completion(kept, ids, "stop")
    return Completion(kept, ids if end is None else ids[: end + 1], "length" if end is None else "stop")


def until(text: str, stop: Sequence[str]) -> str:
    """The text before the first of several texts; all of it where none is there."""
    return text[: min((place for one in stop if (place := text.find(one)) >= 0), default=len(text))]


def stop_tokens(tokenizer: Any, stop: Sequence[str]) -> list[int]:
    """The tokens of those texts that are one special token each: such a token shows in no decoded text."""
    special = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    return [special[text] for text in stop if text in special]
