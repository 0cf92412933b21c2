"""Signal `pass_rate`: the share of K sampled completions that the grader accepts. The expensive reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ufo_rl.engine import Sampling
from ufo_rl.records import Completion

Generate = Callable[[Sequence[str], Sampling], Iterable[tuple[int, list[Completion]]]]


@dataclass(frozen=True)
class Sampled:
    """Results of the K completions of one prompt; tokens are summed over them."""

    pass_rate: float
    num_samples: int
    num_truncated: int
    generated_tokens: int
    completions: list[str]
    correct: list[bool]


def measure(
    texts: Sequence[str],
    golds: Sequence[str],
    generate: Generate,
    is_correct: Callable[[str, str], bool],
    sampling: Sampling,
) -> Iterator[tuple[int, Sampled]]:
    """Yield (index into `texts`, results) as prompts finish. `is_correct` takes gold and completion."""
    for i, completions in generate(texts, sampling):
        correct = [is_correct(golds[i], c.text) for c in completions]
        yield (
            i,
            Sampled(
                sum(correct) / len(correct),
                len(correct),
                sum(c.finish == "length" for c in completions),
                sum(c.num_tokens for c in completions),
                [c.text for c in completions],
                correct,
            ),
        )
