"""Better, worse, or not to be told: in words, for all comparisons of a block together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ufo_rl.stats.decisions import holm, p_not_worse, p_of
from ufo_rl.stats.intervals import Z95, Difference
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

    def p_not_worse(self, margin: float) -> float:
        """That it is worse by no more than the margin; of one seed by the interval over its questions."""
        if len(self.differences) == 1:
            low, high = self.differences[0].low, self.differences[0].high
            return p_not_worse((low + high) / 2, (high - low) / 2 / Z95, None, margin)
        mean = self.mean
        return p_not_worse(mean.value, mean.sd / mean.n**0.5, mean.n - 1, margin)


@dataclass(frozen=True)
class Judgement:
    """`mean` with its interval, for this comparison alone; `p` holds for all of them; `needed`: the seeds with which a true
    difference of this size would be found in four of five repetitions, None where that is unknown or over MAX_SEEDS. `within`:
    whether it is worse by no more than the margin, in words, "" where no margin is asked."""

    mean: MeanOverSeeds
    p: float
    needed: int | None
    words: str
    within: str = ""

    @property
    def is_worse(self) -> bool:
        return self.words.startswith(WORSE)


def verdicts(comparisons: Sequence[Comparison], margin: float | None = None) -> list[Judgement]:
    """One for each, in order. "better" and "worse" hold for all of them together (Holm at 5 %), each by the t test of its own
    seeds, or, of one seed, by its questions' interval; which is said. margin: of non-inferiority, a share; those that are not
    worse hold together too (Holm at 2.5 %).

    Under the null, with 3 to 10 seeds and 1 to 16 arms, 4 to 7 % of simulated blocks had at least one false verdict
    (bench/coverage.json)."""
    together = holm([one.p for one in comparisons])
    within = [""] * len(comparisons)
    if margin is not None:
        within = [
            _within(*one)
            for one in zip(comparisons, holm([one.p_not_worse(margin) for one in comparisons]), strict=True)
        ]
    return [_verdict(*one, len(comparisons)) for one in zip(comparisons, together, within, strict=True)]


def _within(one: Comparison, p: float) -> str:
    alone = " (one seed)" if len(one.differences) == 1 else ""
    return f"{'not worse' if p < ALPHA / 2 else 'may be worse'}{alone}"


def _verdict(one: Comparison, p: float, within: str, comparisons: int) -> Judgement:
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
    return Judgement(mean, p, needed, words, within)
