"""Signal `pass_rate`: the share of K sampled completions that the grader accepts. The expensive reference.

One row a sample: K = 16 serves a later K = 8, and K = 32 adds 16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ufo_rl.engine import Engine, Sampling


@dataclass(frozen=True, slots=True)
class Sampled:
    """One completion of one prompt."""

    correct: bool
    truncated: bool
    generated_tokens: int
    completion: str


def measure(
    texts: Sequence[str],
    golds: Sequence[str],
    seeds: Sequence[int],
    engine: Engine,
    is_correct: Callable[[str, str], bool],
    sampling: Sampling,
) -> Iterator[tuple[int, Sampled]]:
    """Yield (index into `texts`, its sample) as they finish. `is_correct` takes gold and completion."""
    for i, completion in engine.generate(texts, sampling, seeds):
        yield (
            i,
            Sampled(
                is_correct(golds[i], completion.text),
                completion.finish == "length",
                len(completion.ids),
                completion.text,
            ),
        )
