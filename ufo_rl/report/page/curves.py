"""What happens while it trains: means over the seeds with their bands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ufo_rl.files.journal import number, train_steps
from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.page.figure import Figure, Row, look, series, span
from ufo_rl.stats.seeds import mean_over_seeds

# TRL's name, the figure's, what stands at its axis, and the factor.
CURVES = (
    ("reward", "reward", "mean reward", 1.0),
    ("frac_reward_zero_std", "dead", "dead groups, %", 100.0),
    ("completions/mean_length", "length", "tokens of a completion", 1.0),
    ("entropy", "entropy", "entropy", 1.0),
)
MAX_POINTS = 20  # of a curve: more steps are averaged in so many parts


def curve_figures(block: Block) -> list[Figure]:
    arms: dict[str, list[Run]] = {}
    for run in block.runs:
        arms.setdefault(block.arms[run], []).append(run)
    steps = {run: _steps(run) for run in block.runs}
    found = []
    for key, name, label, factor in CURVES:
        rows = [row for arm, runs in arms.items() for row in _rows(arm, [steps[run] for run in runs], key, factor)]
        if rows:
            parts = max(row["steps"] for row in rows)
            over = f" Each point is the mean of {parts} steps." if parts > 1 else ""
            caption = (
                f"Mean over the seeds ({span(map(len, arms.values()))}), the band from the lowest to the highest of "
                f"them.{over} Bands are ranges, no intervals: steps depend on each other."
            )
            found.append(
                Figure(
                    name,
                    f"{label[0].upper()}{label[1:].removesuffix(', %')} over the training",
                    caption,
                    rows,
                    _drawing(label),
                )
            )
    return found


def evaluation_figures(block: Block) -> list[Figure]:
    """Accuracy on the way, where it was asked (train.eval_steps)."""
    found = []
    for benchmark in block.results:
        rows = []
        for arm in dict.fromkeys(block.arms[run] for run in block.runs):
            own = [_on_the_way(run, benchmark) for run in block.runs if block.arms[run] == arm]
            for step in sorted(set.intersection(*map(set, own))) if all(own) else []:
                mean = mean_over_seeds([one[step] for one in own])
                has = mean.n > 1
                rows.append(
                    {"arm": arm, "step": step, "seeds": mean.n, "accuracy": 100 * mean.value}
                    | {"low": 100 * mean.low if has else None, "high": 100 * mean.high if has else None}
                )
        if any(row["step"] > 0 for row in rows) and len({row["step"] for row in rows}) > 2:
            caption = (
                f"Accuracy on {benchmark} at the pauses of the training, mean over the seeds "
                f"({span(row['seeds'] for row in rows)}); 95 % intervals over them (Student's t)."
            )
            found.append(Figure(f"way-{benchmark}", f"{benchmark} over the training", caption, rows, draw_way))
    return found


def draw_way(axes: Any, rows: Sequence[Row]) -> None:
    for index, (arm, own) in enumerate(series(rows, "arm").items()):
        at = [row["step"] for row in own]
        axes.plot(at, [row["accuracy"] for row in own], label=arm, markersize=4, **look(index))
        if all(row["low"] is not None for row in own):
            axes.fill_between(
                at, [row["low"] for row in own], [row["high"] for row in own], alpha=0.15, color=look(index)["color"]
            )
    axes.set_xlabel("step")
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _drawing(label: str) -> Any:
    def draw(axes: Any, rows: Sequence[Row]) -> None:
        for index, (arm, own) in enumerate(series(rows, "arm").items()):
            at, style = [row["step"] for row in own], {**look(index), "marker": ""}
            axes.plot(at, [row["mean"] for row in own], label=arm, linewidth=1.4, **style)
            axes.fill_between(
                at, [row["least"] for row in own], [row["most"] for row in own], alpha=0.12, color=style["color"]
            )
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))

    return draw


def _steps(run: Run) -> dict[int, Mapping[str, Any]]:
    return {line["step"]: line for line in train_steps(run.journal())}


def _rows(arm: str, runs: Sequence[Mapping[int, Mapping[str, Any]]], key: str, factor: float) -> list[dict[str, Any]]:
    """Steps that all seeds have, in at most MAX_POINTS parts."""
    own = [
        {
            step: value * factor
            for step, line in run.items()
            if (value := number(line.get(key))) is not None and math.isfinite(value)
        }
        for run in runs
    ]
    own = [one for one in own if one]  # a run without a journal has none
    steps = sorted(set.intersection(*map(set, own))) if own else []
    size = max(1, math.ceil(len(steps) / MAX_POINTS))
    rows = []
    for begin in range(0, len(steps), size):
        part = steps[begin : begin + size]
        means = [fmean(run[step] for step in part) for run in own]
        row = {"arm": arm, "step": fmean(part), "steps": len(part), "seeds": len(own)}
        rows.append({**row, "mean": fmean(means), "least": min(means), "most": max(means)})
    return rows


def _on_the_way(run: Run, benchmark: str) -> dict[int, float]:
    return {
        int(line["step"]): float(line["accuracy"])
        for line in run.journal()
        if line.get("stage") in ("base_eval", "eval")
        and line.get("event") == "metrics"
        and line.get("benchmark") == benchmark
        and line.get("step") is not None
        and "accuracy" in line
    }
