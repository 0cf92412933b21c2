"""What the arms cost, with scoring, and what they gained for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.comparing.signatures import is_budget_matched
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.text import NOTHING, count, seconds

# Stages of a run that measure no signal.
NOT_SCORING = ("base_eval", "train", "eval", "total")
HOUR, MILLION = 3600.0, 1e6


@dataclass(frozen=True)
class ArmCost:
    """An arm over its runs, means of what is known, None where nothing is. Seconds are those paid by the runs (score: 0 where
    all was stored), but `signals`: what measuring the whole pool took when it was done. `tokens`: generated, by training and
    for signals. `hours`: of signals and training, of all GPUs together, or of the machine where there is none. `gain`: points
    of accuracy over the untrained model, the mean of the benchmarks. `breaks_even`: after so many trainings the signals have
    paid for themselves against training on everything, in words."""

    arm: str
    runs: int
    trained: float | None
    steps: float | None
    tokens: float | None
    score: float | None
    train: float | None
    total: float | None
    signals: float | None
    hours: float | None
    gain: float | None
    breaks_even: str

    @property
    def gain_per_hour(self) -> float | None:
        return None if self.gain is None or not self.hours else self.gain / self.hours

    @property
    def gain_per_million_tokens(self) -> float | None:
        return None if self.gain is None or not self.tokens else self.gain / (self.tokens / MILLION)


def arm_costs(block: Block) -> list[ArmCost]:
    arms: dict[str, list[Run]] = {}
    for run in block.runs:
        arms.setdefault(block.arms[run], []).append(run)
    return [_cost(arm, runs, block) for arm, runs in arms.items()]


def cost_table(block: Block) -> tuple[str, list[str], list[list[str]]]:
    """Title, header and rows."""
    header = ["arm", "runs", "prompts", "steps", "tokens", "score", "train", "total", "signals"]
    costs = arm_costs(block)
    unit = "GPU-h" if any(run.metrics.get("gpu_hours") is not None for run in block.runs) else "h"
    header += [f"points/{unit}", "points/Mtok", "pays after"]
    rows = [
        [
            one.arm,
            str(one.runs),
            *(count(_rounded(value)) for value in (one.trained, one.steps)),
            NOTHING if one.tokens is None else _short(one.tokens),
            *(seconds(value) for value in (one.score, one.train, one.total)),
            seconds(one.signals),
            *(
                NOTHING if value is None else _digits(value)
                for value in (one.gain_per_hour, one.gain_per_million_tokens)
            ),
            one.breaks_even,
        ]
        for one in costs
    ]
    title = (
        "Costs, means of the runs: seconds paid (score: 0 where stored; signals: when they were measured); points of accuracy "
        f"gained, mean of the benchmarks, for each {unit} of signals and training and each million tokens generated; after how "
        "many trainings signals have paid for themselves against full"
    )
    return title, header, rows


def total_of(paid: dict[str, float], *stages: str) -> float | None:
    known = [paid[stage] for stage in stages if paid.get(stage) is not None]
    return sum(known) if known else None


def scoring_of(run: Run) -> float | None:
    """Seconds that the run paid for signals."""
    return total_of(run.seconds, *(stage for stage in run.seconds if stage not in NOT_SCORING))


def _cost(arm: str, runs: Sequence[Run], block: Block) -> ArmCost:
    signals = [run.signal_seconds for run in runs if run.signals]
    return ArmCost(
        arm=arm,
        runs=len(runs),
        trained=_mean(run.metrics.get("num_selected") for run in runs),
        steps=_mean(run.metrics.get("steps") for run in runs),
        tokens=_mean(_tokens(run) for run in runs),
        score=_mean(scoring_of(run) for run in runs),
        train=_mean(run.seconds.get("train") for run in runs),
        total=_mean(run.seconds.get("total") for run in runs),
        signals=max(signals) if signals else None,
        hours=_mean(_hours(run) for run in runs),
        gain=_mean(_gain(run) for run in runs),
        breaks_even=_breaks_even(runs, block),
    )


def _tokens(run: Run) -> float | None:
    own = run.metrics.get("generated_tokens")
    sampled = [signal.get("cost_generated_tokens") or 0 for signal in run.signals.values()]
    return None if own is None else own + sum(sampled)


def _hours(run: Run) -> float | None:
    train = run.seconds.get("train")
    if train is None:
        return None
    devices = run.value("launch.num_ranks") if run.metrics.get("gpu_hours") is not None else 1
    return (run.signal_seconds + train) * devices / HOUR


def _gain(run: Run) -> float | None:
    gains = [
        100 * (run.after(name).share - before.share)
        for name in run.benchmarks
        if (before := run.before(name)) is not None
    ]
    return fmean(gains) if gains else None


def _breaks_even(runs: Sequence[Run], block: Block) -> str:
    """Against the full run of the same seed; equal budgets save nothing by design."""
    full_of = {run.seed: run for run in block.runs if run.selector == "full"}
    pairs = [(run, full_of[run.seed]) for run in runs if run.seed in full_of and run.selector != "full"]
    if not pairs or not any(run.signals for run, _ in pairs):
        return NOTHING
    if all(is_budget_matched(run, full) for run, full in pairs):
        return "never"
    saved = _mean(
        full.seconds["train"] - run.seconds["train"]
        for run, full in pairs
        if {"train"} <= {*full.seconds} & {*run.seconds}
    )
    signals = max(run.signal_seconds for run, _ in pairs)
    if saved is None or saved <= 0:
        return "never"
    return f"{signals / saved:.2g}"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _rounded(value: float | None) -> float | None:
    return int(value) if value is not None and value == int(value) else value


def _digits(value: float) -> str:
    """Three digits, thousands written out."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _short(value: float) -> str:
    """90,959 -> 91 k, 2,300,000 -> 2.3 M"""
    return f"{value / MILLION:.3g} M" if value >= MILLION else f"{value / 1000:.3g} k"
