"""Signal `pass_rate`: the share of K sampled completions that the grader accepts. The expensive reference.

One row a sample: K = 16 serves a later K = 8, and K = 32 adds 16.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ufo_rl.model.engine import Engine, Sampling, sample_seed
from ufo_rl.records import Completion, Reference

ROUNDS = 4  # adaptive mode: how often at most it is asked whether a prompt needs more samples
FIRST = 4  # samples of the first round at least
RISK = 0.05  # of leaving a prompt that would have ended inside the interval


@dataclass(frozen=True, slots=True)
class Sampled:
    """One completion of one prompt; `truncated` is None where it came from a file that does not tell."""

    sample: int
    correct: bool
    truncated: bool | None
    generated_tokens: int
    completion: str


Finished = list[tuple[int, Sampled]]  # index of the prompt, and one of its samples
Verdicts = list[bool | None]  # of a prompt's samples 0 to K - 1; None: not sampled yet
Grade = Callable[[Reference, str], bool]  # reference and completion


def num_needed(verdicts: Sequence[bool | None], interest: Sequence[float] | None) -> int:
    """How many of its K samples a prompt gets, as far as `verdicts` tell.

    All K, but in adaptive mode: `interest` = [low, high] are the pass rates that the selection is after. Samples come in
    four rounds (of K/4, at least 4); after each a prompt is left whose rate over K samples would end inside the interval
    with a chance under 5 %, by the beta-binomial distribution of the samples to come from a uniform prior. What is decided
    after n samples depends on those n alone, so that stored samples serve any K and any interval.
    """
    total = len(verdicts)
    if interest is None:
        return total
    size = max(FIRST, -(-total // ROUNDS))
    for n in range(size, total, size):
        known = verdicts[:n]
        if None in known or chance_inside(sum(map(bool, known)), n, total, *interest) < RISK:
            return n
    return total


@functools.lru_cache(maxsize=4096)
def chance_inside(num_correct: int, n: int, total: int, low: float, high: float) -> float:
    """P(low <= rate over `total` samples <= high), given `num_correct` of the first `n`; uniform prior of the rate."""
    from scipy.stats import betabinom

    inside = [k for k in range(total - n + 1) if low <= (num_correct + k) / total <= high]
    return float(betabinom.pmf(inside, total - n, 1 + num_correct, 1 + n - num_correct).sum())


def sample(
    prompts: Sequence[tuple[str, str, Reference]],
    verdicts: Sequence[Verdicts],
    engine: Engine,
    is_correct: Grade,
    sampling: Sampling,
    seed: int,
    interest: Sequence[float] | None,
) -> Iterator[Finished]:
    """Yield lists of (index into `prompts`, its sample), what became finished together, and fill in `verdicts`, until
    every prompt has what `num_needed` asks for. A prompt is (id, text, reference)."""

    def graded(i: int, k: int, said: Completion) -> tuple[int, Sampled]:
        correct = is_correct(prompts[i][2], said.text)
        return i, Sampled(k, correct, said.finish == "length", len(said.ids), said.text)

    def generate(wanted: list[tuple[int, int]]) -> Iterator[Finished]:
        texts = [prompts[i][1] for i, _ in wanted]
        seeds = [sample_seed(seed, prompts[i][0], k) for i, k in wanted]
        for finished in engine.generate(texts, sampling, seeds):
            yield [graded(*wanted[j], said) for j, said in finished]

    return _until_known(verdicts, interest, generate)


def replay(
    references: Sequence[Reference],
    verdicts: Sequence[Verdicts],
    completions: Sequence[Sequence[str]],
    is_correct: Grade,
    interest: Sequence[float] | None,
) -> Iterator[Finished]:
    """The same with finished completions of each prompt in place of an engine, one at a time."""

    def take(wanted: list[tuple[int, int]]) -> Iterator[Finished]:
        for i, k in wanted:
            text = completions[i][k]
            yield [(i, Sampled(k, is_correct(references[i], text), None, 0, text))]

    return _until_known(verdicts, interest, take)


def _until_known(
    verdicts: Sequence[Verdicts],
    interest: Sequence[float] | None,
    take: Callable[[list[tuple[int, int]]], Iterator[Finished]],
) -> Iterator[Finished]:
    while wanted := [
        (i, k) for i, own in enumerate(verdicts) for k in range(num_needed(own, interest)) if own[k] is None
    ]:
        for finished in take(wanted):
            for i, sampled in finished:
                verdicts[i][sampled.sample] = sampled.correct
            yield finished
