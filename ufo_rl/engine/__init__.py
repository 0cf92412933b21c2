"""Engines generate completions; what they are asked for is a Sampling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """`num_samples` completions per prompt of at most `max_tokens` tokens; temperature 0 is greedy."""

    num_samples: int
    temperature: float
    max_tokens: int
    seed: int
