"""Engines generate completions; what they are asked for is a Sampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ufo_rl.files.keys import digest
from ufo_rl.records import Completion


@dataclass(frozen=True)
class Sampling:
    """Completions of at most `max_tokens` tokens; temperature 0 is greedy."""

    temperature: float
    max_tokens: int


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


def completion(tokenizer: Any, ids: list[int], eos_ids: Sequence[int]) -> Completion:
    """A completion from what was generated, padding behind the end token included: text up to the end token."""
    end = next((i for i, token in enumerate(ids) if token in eos_ids), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True)
    return Completion(str(text), ids if end is None else ids[: end + 1], "length" if end is None else "stop")
