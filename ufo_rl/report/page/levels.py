"""Accuracy by level of the questions, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.page.figure import Figure, Row, fill, series, span
from ufo_rl.stats.seeds import mean_over_seeds

BEFORE = "untrained"


def level_figures(block: Block) -> list[Figure]:
    found = []
    for benchmark, results in block.results.items():
        arms: dict[str, list[dict[str, Any]]] = {BEFORE: []}
        for one in results:
            models = one.run.metrics["eval"][benchmark]
            arms.setdefault(one.arm, []).append(models["final"])
            if models.get("base"):
                arms[BEFORE].append(models["base"])
        rows = [row for arm, answers in arms.items() for row in _rows(arm, answers)]
        if len({row["level"] for row in rows}) > 1:
            runs = span(row["runs"] for row in rows if row["arm"] != BEFORE)
            caption = (
                f"Accuracy on {benchmark} by level, mean of the runs of each arm ({runs}), 95 % intervals over them "
                f"(Student's t), of a single "
                "run over its questions (Wilson)."
            )
            found.append(Figure(f"levels-{benchmark}", f"{benchmark} by level", caption, rows, draw_levels))
    return found


def _rows(arm: str, answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    levels: dict[str, list[dict[str, Any]]] = {}
    for one in answers:
        for own in one.get("by_level") or ():
            levels.setdefault(str(own["label"]), []).append(own)
    rows = []
    for level, own in levels.items():
        mean = mean_over_seeds([one["accuracy"] for one in own], 1 / own[0]["n"])
        is_same = len(own) == 1 or arm == BEFORE  # the same model, evaluated once for all
        low, high = (own[0]["ci_low"], own[0]["ci_high"]) if is_same else (mean.low, mean.high)
        row = {"arm": arm, "level": level, "questions": own[0]["n"], "runs": 1 if is_same else len(own)}
        rows.append({**row, "accuracy": 100 * mean.value, "low": 100 * max(0.0, low), "high": 100 * min(1.0, high)})
    return rows


def draw_levels(axes: Any, rows: Sequence[Row]) -> None:
    levels, arms = list(series(rows, "level")), list(series(rows, "arm"))
    step = 0.8 / len(arms)
    for index, arm in enumerate(arms):
        own = [row for row in rows if row["arm"] == arm]
        at = [levels.index(row["level"]) + (index - (len(arms) - 1) / 2) * step for row in own]
        look = {"color": "0.75"} if arm == BEFORE else fill(index - (BEFORE in arms))
        axes.bar(at, [row["accuracy"] for row in own], step * 0.9, label=arm, **look)
        for place, row in zip(at, own, strict=True):
            axes.plot([place, place], [row["low"], row["high"]], color="black", linewidth=0.8)
    axes.set_xticks(range(len(levels)), levels)
    axes.set_xlabel("level")
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
