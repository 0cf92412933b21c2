"""Accuracy against the share of prompts that is kept, and against what it all cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ufo_rl.report.comparing.arms import Arm, arms_of
from ufo_rl.report.comparing.costs import arm_costs
from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.page.figure import Figure, Row, look, series, span

INTERVAL = "95 % intervals over the seeds (Student's t); of a single seed over its questions (Wilson)"
UNITS = (("hours", 1.0), ("minutes", 1 / 60), ("seconds", 1 / 3600))


def accuracy_figures(block: Block) -> list[Figure]:
    """Of each benchmark: against the ratio where several were tried, else by arm; and against cost."""
    arms = arms_of(block)
    costs = {one.arm: one for one in arm_costs(block)}
    found = []
    for benchmark, own in arms.items():
        rows = [_row(arm) for arm in own]
        seeds = _seeds(own)
        about = f"Accuracy on {benchmark}, {own[0].questions:,} questions{' (subset)' if own[0].is_subset else ''}, {seeds}."
        if len({row["ratio"] for row in rows if row["selector"] != "full"}) > 1:
            caption = f"{about} {INTERVAL}. The band is training on all prompts, the dotted line the untrained model."
            found.append(
                Figure(f"ratio-{benchmark}", f"{benchmark}: how little data suffices?", caption, rows, draw_ratio)
            )
        height = 1.2 + 0.34 * len(rows)
        caption = f"{about} {INTERVAL}. The dotted line is the untrained model."
        found.append(Figure(f"arms-{benchmark}", f"{benchmark} by arm", caption, rows, draw_arms, height))
        paid = [
            {**row, "hours": costs[arm.name].hours, "is_best": False}
            for row, arm in zip(rows, own, strict=True)
            if costs[arm.name].hours is not None
        ]
        if len(paid) > 1:
            _mark_best(paid)
            caption = (
                f"{about} {INTERVAL}. Time of measuring signals (when it was done) and training, of all GPUs "
                f"together or of the "
                "machine; the line joins arms that no cheaper one beats."
            )
            found.append(Figure(f"cost-{benchmark}", f"{benchmark} against total cost", caption, paid, draw_cost))
    return found


def _row(arm: Arm) -> dict[str, Any]:
    run = arm.runs[0]
    return {
        "arm": arm.name,
        # arms that differ in the ratio alone
        "family": arm.name.replace(f" {100 * run.share:g}%", "", 1),
        "selector": run.selector,
        "ratio": 1.0 if run.selector == "full" else run.share,
        "seeds": len(arm.runs),
        "before": None if arm.before is None else 100 * arm.before,
        "accuracy": 100 * arm.after.value,
        "low": 100 * arm.after.low,
        "high": 100 * arm.after.high,
    }


def _seeds(arms: Sequence[Arm]) -> str:
    counts = span(len(arm.runs) for arm in arms)
    return "one seed" if counts == "1" else f"{counts} seeds"


def _mark_best(rows: Sequence[dict[str, Any]]) -> None:
    """The Pareto front: by rising cost, those more accurate than all before."""
    best = float("-inf")
    for row in sorted(rows, key=lambda one: (one["hours"], -one["accuracy"])):
        row["is_best"] = row["accuracy"] > best
        best = max(best, row["accuracy"])


def draw_ratio(axes: Any, rows: Sequence[Row]) -> None:
    for index, (selector, own) in enumerate(
        series([row for row in rows if row["selector"] != "full"], "family").items()
    ):
        own = sorted(own, key=lambda row: row["ratio"])
        at, mean = [100 * row["ratio"] for row in own], [row["accuracy"] for row in own]
        errors = [[row["accuracy"] - row["low"] for row in own], [row["high"] - row["accuracy"] for row in own]]
        axes.errorbar(at, mean, errors, label=selector, capsize=3, markersize=5, **look(index))
    for row in rows:
        if row["selector"] == "full":
            axes.axhspan(row["low"], row["high"], color="0.85", zorder=0)
            axes.axhline(row["accuracy"], color="0.5", linewidth=1, label="full")
    _untrained(axes.axhline, rows)
    axes.set_xscale("log")
    ticks = sorted({100 * row["ratio"] for row in rows if row["selector"] != "full"})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("share of the prompts that is kept, %")
    axes.set_ylabel("accuracy, %")
    axes.legend()


def draw_arms(axes: Any, rows: Sequence[Row]) -> None:
    at = range(len(rows))
    errors = [[row["accuracy"] - row["low"] for row in rows], [row["high"] - row["accuracy"] for row in rows]]
    axes.errorbar([row["accuracy"] for row in rows], at, xerr=errors, fmt="o", capsize=3, markersize=5, color="#0072B2")
    axes.set_yticks(list(at), [row["arm"] for row in rows])
    axes.invert_yaxis()
    _untrained(axes.axvline, rows)
    axes.set_xlabel("accuracy, %")


def draw_cost(axes: Any, rows: Sequence[Row]) -> None:
    unit, size = next(one for one in UNITS if one[1] <= max(row["hours"] for row in rows) or one is UNITS[-1])
    for index, row in enumerate(rows):
        errors = [[row["accuracy"] - row["low"]], [row["high"] - row["accuracy"]]]
        own = {**look(index), "linestyle": "none"}
        axes.errorbar(
            [row["hours"] / size], [row["accuracy"]], errors, label=row["arm"], capsize=3, markersize=6, **own
        )
    best = sorted((row for row in rows if row["is_best"]), key=lambda row: row["hours"])
    axes.plot(
        [row["hours"] / size for row in best], [row["accuracy"] for row in best], color="0.6", linewidth=1, zorder=0
    )
    axes.set_xlabel(f"{unit} of signals and training")
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _untrained(line: Any, rows: Sequence[Row]) -> None:
    known = [row["before"] for row in rows if row["before"] is not None]
    if known:
        line(sum(known) / len(known), color="0.4", linestyle=":", linewidth=1)
