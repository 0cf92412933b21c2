"""The arms of a block over their seeds: means with intervals, differences to the baseline, verdicts; and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ufo_rl.report.comparing.judgement import Comparison, Judgement, verdicts
from ufo_rl.report.comparing.pairing import Block, Result
from ufo_rl.report.disk.run_record import Run
from ufo_rl.stats.seeds import MeanOverSeeds, mean_over_seeds, over_seeds_and_questions


@dataclass(frozen=True)
class Arm:
    """One arm on one benchmark. `after`: over its seeds, of a single one with the interval over the questions. `verdict`: on
    the difference to the baseline, None for the baseline and where nothing is paired. `both`: that difference with an interval
    over seeds and questions together, None for fewer than two seeds."""

    name: str
    runs: Sequence[Run]
    questions: int
    is_subset: bool
    is_baseline: bool
    before: float | None
    after: MeanOverSeeds
    verdict: Judgement | None
    both: MeanOverSeeds | None

    @property
    def words(self) -> str:
        """What the table says of it."""
        return "baseline" if self.is_baseline else "-" if self.verdict is None else self.verdict.words


def arms_of(block: Block, margin: float | None = None) -> dict[str, list[Arm]]:
    """By benchmark, in the order of the block's runs. Verdicts hold for all arms and benchmarks together."""
    groups = {name: _by_arm(results) for name, results in block.results.items()}
    asked = [
        (name, arm, comparison)
        for name, arms in groups.items()
        for arm, results in arms.items()
        if (comparison := _comparison(results)) is not None
    ]
    found = verdicts([comparison for _, _, comparison in asked], margin)
    verdict_of = {(name, arm): one for (name, arm, _), one in zip(asked, found, strict=True)}
    return {
        name: [_arm(arm, results, verdict_of.get((name, arm)), block) for arm, results in arms.items()]
        for name, arms in groups.items()
    }


def missing_cells(block: Block) -> list[str]:
    """`accuracy 10%: seed 3`: seeds that other arms of the block have, and this one has not."""
    if block.holds_evaluations:
        return []
    seeds: dict[str, set[int]] = {}
    for run in block.runs:
        seeds.setdefault(block.label(run), set()).add(run.seed)
    everybody = set().union(*seeds.values())
    missing = {arm: sorted(everybody - own) for arm, own in seeds.items() if own != everybody}
    return [f"{arm}: seed {', '.join(map(str, own))}" for arm, own in missing.items()]


def _by_arm(results: Sequence[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for one in results:
        found.setdefault(one.arm, []).append(one)
    return found


def _comparison(results: Sequence[Result]) -> Comparison | None:
    paired = [one for one in results if one.minus_baseline is not None]
    if not paired or (
        len(paired) == 1 and paired[0].differences is None
    ):  # one seed without its questions says nothing
        return None
    differences = [one.minus_baseline for one in paired if one.minus_baseline is not None]
    return Comparison(differences, sum(one.changed for one in paired), paired[0].after.n)


def _arm(name: str, results: Sequence[Result], verdict: Judgement | None, block: Block) -> Arm:
    first, before = results[0], [one.before.share for one in results if one.before is not None]
    if len(results) == 1:
        after = MeanOverSeeds(first.after.share, first.after.low, first.after.high, 1)
    else:
        after = mean_over_seeds([one.after.share for one in results], 1 / first.after.n)
        after = after._replace(low=max(0.0, after.low), high=min(1.0, after.high))
    tables = [one.differences for one in results if one.differences is not None]
    alike = len(tables) > 1 and len({tuple(table) for table in tables}) == 1
    both = over_seeds_and_questions([list(table.values()) for table in tables]) if alike else None
    return Arm(
        name=name,
        runs=[one.run for one in results],
        questions=first.after.n,
        is_subset=first.after.is_subset,
        is_baseline=all(one.is_baseline for one in results),
        before=fmean(before) if before else None,
        after=after,
        verdict=verdict,
        both=both,
    )
