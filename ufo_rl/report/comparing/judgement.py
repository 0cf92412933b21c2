"""Better, worse, or not to be told: in words, for all comparisons of a block together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ufo_rl.stats.decisions import holm, is_not_worse, p_of
from ufo_rl.stats.intervals import Difference
from ufo_rl.stats.power import MAX_SEEDS, seeds_needed
from ufo_rl.stats.seeds import MeanOverSeeds, mean_over_seeds, p_over_seeds

ALPHA = 0.05
# Answers that differ between two arms, over all seeds, below which no interval here is to be trusted (bench/coverage.json).
MIN_CHANGED = 20
WORSE = "worse"
NO_DIFFERENCE = "no detectable difference"
POWER_SAID = "in four of five repetitions"


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline on one benchmark: a difference a seed, each paired by question. `changed`: answers that
    differ, over all seeds; `questions`: of the benchmark."""

    differences: Sequence[Difference]
    changed: float
    questions: int

    @property
    def mean(self) -> MeanOverSeeds:
        """Over the seeds; of one seed with the interval over its questions."""
        if len(self.differences) == 1:
            one = self.differences[0]
            return MeanOverSeeds(one.value, one.low, one.high, 1)
        return mean_over_seeds([one.value for one in self.differences], 1 / self.questions)

    @property
    def p(self) -> float:
        return p_of(self.differences[0]) if len(self.differences) == 1 else p_over_seeds(self.mean)


@dataclass(frozen=True)
class Judgement:
    """`mean` with its interval, for this comparison alone; `p` holds for all of them; `needed`: the seeds with which a true
    difference of this size would be found in four of five repetitions, None where that is unknown or over MAX_SEEDS. `within`:
    whether the interval says "not worse by more than the margin", None where no margin is asked."""

    mean: MeanOverSeeds
    p: float
    needed: int | None
    words: str
    within: bool | None = None

    @property
    def is_worse(self) -> bool:
        return self.words.startswith(WORSE)


def verdicts(comparisons: Sequence[Comparison], margin: float | None = None) -> list[Judgement]:
    """One for each, in order. "better" and "worse" hold for all of them together (Holm at 5 %), each by the t test of its own
    seeds, or, of one seed, by its questions' interval; which is said. margin: of non-inferiority, a share.

    Under the null, with 3 to 10 seeds and 1 to 16 arms, 4 to 7 % of simulated blocks had at least one false verdict
    (bench/coverage.json)."""
    together = holm([one.p for one in comparisons])
    return [_verdict(one, p, len(comparisons), margin) for one, p in zip(comparisons, together, strict=True)]


def _verdict(one: Comparison, p: float, comparisons: int, margin: float | None) -> Judgement:
    mean, needed = one.mean, None
    is_alone, is_few, is_found = mean.n == 1, one.changed < MIN_CHANGED, p < ALPHA
    remarks = ["one seed"] if is_alone else []
    if is_few:
        words = NO_DIFFERENCE
        remarks.append(f"only {one.changed:.3g} answers differ")
    elif is_found:
        words = "better" if mean.value > 0 else WORSE
    else:
        is_lost = comparisons > 1 and not mean.low <= 0 <= mean.high
        words = f"not detectable among {comparisons}" if is_lost else NO_DIFFERENCE
        if not is_alone and mean.sd > 0:
            needed = seeds_needed(mean.value, mean.sd, ALPHA / comparisons)
            remarks.append(f"needs ~{needed} seeds" if needed else f"needs over {MAX_SEEDS:,} seeds")
    words += f" ({', '.join(remarks)})" if remarks else ""
    return Judgement(mean, p, needed, words, None if margin is None else is_not_worse(mean.low, margin))
