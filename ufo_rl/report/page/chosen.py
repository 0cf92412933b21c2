"""The selection report as figures: distribution and kept band, calibration, overlap, bias, forecast beside what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ufo_rl.report.comparing.pairing import Block
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.insight.bias import bias
from ufo_rl.report.insight.calibration import correlation, deciles
from ufo_rl.report.insight.forecast import forecast, realised
from ufo_rl.report.insight.overlap import jaccard, kept_sets
from ufo_rl.report.insight.pool_table import Scored, completed, scored
from ufo_rl.report.page.figure import COLOURS, Figure, Row, fill, series

BINS = 40
KINDS = ("forecast", "first tenth", "all steps")


def selection_figures(block: Block) -> list[Figure]:
    """Of the first run of each arm that has a table of scores."""
    pools = {arm: (run, pool) for arm, run in _firsts(block).items() if (pool := scored(run)) is not None}
    whole = completed([pool for _, pool in pools.values()])
    pools = {arm: (run, pool) for (arm, (run, _)), pool in zip(pools.items(), whole, strict=True)}
    # an arm has one colour in all figures, also where others are left out
    place = {arm: i for i, arm in enumerate(dict.fromkeys(block.arms[run] for run in block.runs))}
    found = [
        figure
        for figure in (_distribution(pools, place), _calibration(pools), _overlap(block), _live(block, pools))
        if figure
    ]
    return found + _biases(pools, place)


def _firsts(block: Block) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for run in block.runs:
        found.setdefault(block.arms[run], run)
    return found


def _distribution(pools: dict[str, tuple[Run, Scored]], place: dict[str, int]) -> Figure | None:
    """Of the confidences; kept by the arms that choose by it."""
    chosen = {
        arm: pool for arm, (run, pool) in pools.items() if pool.confidence is not None and "confidence" in run.signals
    }
    if not chosen:
        return None
    rows: list[dict[str, Any]] = []
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for arm, pool in chosen.items():
        if pool.confidence is None:
            continue
        for what, values in (("pool", pool.confidence), ("kept", pool.confidence[pool.kept])):
            counts, _ = np.histogram(values, edges)
            for low, high, count in zip(edges, edges[1:], counts.tolist(), strict=False):
                rows.append(
                    {
                        "arm": arm,
                        "place": place[arm],
                        "what": what,
                        "from": float(low),
                        "to": float(high),
                        "prompts": count,
                    }
                )
    caption = (
        "Confidence of all prompts (grey) and of those that each arm keeps, of its first seed; heights are square roots of "
        "counts, so no intervals."
    )
    height = 1.0 + 1.1 * len(chosen)
    return Figure("confidence", "Which confidences are kept", caption, rows, draw_distribution, height)


def draw_distribution(axes: Any, rows: Sequence[Row]) -> None:
    """Arms below each other, each with the pool behind it, by the square root of the counts."""
    arms = series(rows, "arm")
    top = max(float(row["prompts"]) for row in rows) ** 0.5 or 1.0
    for index, own in enumerate(arms.values()):
        for what, colour in (("pool", "0.8"), ("kept", COLOURS[int(own[0]["place"]) % len(COLOURS)])):
            part = [row for row in own if row["what"] == what]
            heights = [0.9 * float(row["prompts"]) ** 0.5 / top for row in part]
            bottom = len(arms) - 1 - index
            widths = [row["to"] - row["from"] for row in part]
            axes.bar([row["from"] for row in part], heights, widths, bottom=bottom, align="edge", color=colour)
    axes.set_yticks([len(arms) - 1 - i + 0.4 for i in range(len(arms))], list(arms))
    axes.set_xlabel("confidence")
    axes.grid(False)


def _calibration(pools: dict[str, tuple[Run, Scored]]) -> Figure | None:
    for arm, (_, pool) in pools.items():
        tenths, found = deciles(pool), correlation(pool)
        if tenths and found is not None:
            rows = [{"part": i, **one._asdict()} for i, one in enumerate(tenths, start=1)]
            rho = "not defined" if found.rho != found.rho else f"{found.rho:.2f} [{found.low:.2f}, {found.high:.2f}]"
            caption = (
                f"Mean pass rate by tenth of confidence (the pool of {arm}, its first seed), 95 % intervals by bootstrap over "
                f"the prompts; Spearman over {found.n:,} prompts {rho} (Bonett and Wright)."
            )
            return Figure("calibration", "Does confidence know what the model solves?", caption, rows, draw_calibration)
    return None


def draw_calibration(axes: Any, rows: Sequence[Row]) -> None:
    errors = [[row["pass_rate"] - row["low"] for row in rows], [row["high"] - row["pass_rate"] for row in rows]]
    axes.errorbar(
        [row["confidence"] for row in rows],
        [row["pass_rate"] for row in rows],
        errors,
        fmt="o-",
        capsize=3,
        color=COLOURS[0],
    )
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1)
    axes.set_xlabel("mean confidence of the tenth")
    axes.set_ylabel("mean pass rate")
    axes.set_ylim(-0.02, 1.02)


def _overlap(block: Block) -> Figure | None:
    names, table = jaccard(kept_sets(block))
    if len(names) < 2:
        return None
    rows = [
        {"arm": one, "other": other, "jaccard": float(table[i, j])}
        for i, one in enumerate(names)
        for j, other in enumerate(names)
    ]
    caption = "Overlap of the kept sets of one seed, |A and B| / |A or B|."
    if len(shares := {run.share for run in block.runs if run.selector != "full"}) == 1:
        share = shares.pop()
        caption += f" Two random draws of {100 * share:g} % have {share / (2 - share):.2g} in the mean."
    return Figure("overlap", "Who keeps the same prompts?", caption, rows, draw_overlap, 1.6 + 0.32 * len(names))


def draw_overlap(axes: Any, rows: Sequence[Row]) -> None:
    names = list(series(rows, "arm"))
    value = {(row["arm"], row["other"]): float(row["jaccard"]) for row in rows}
    table = [[value[one, other] for other in names] for one in names]
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1)
    for i, own in enumerate(table):
        for j, one in enumerate(own):
            axes.text(j, i, f"{one:.2f}", ha="center", va="center", fontsize=8, color="white" if one > 0.6 else "black")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(False)


def _live(block: Block, pools: dict[str, tuple[Run, Scored]]) -> Figure | None:
    rows = []
    for arm, (run, pool) in pools.items():
        group, lines = int(run.value("train.num_generations")), run.journal()
        steps = run.metrics.get("steps") or 0
        shares = (
            forecast(pool, group),
            realised(lines, max(1, steps // 10)),
            realised(lines),
        )
        for what, found in zip(KINDS, shares, strict=True):
            if found is not None:
                low, high = (None if end is None else 100 * end for end in (found.low, found.high))
                rows.append(
                    {"arm": arm, "what": what, "share": 100 * found.value, "low": low, "high": high, "n": found.n}
                )
    if not any(row["what"] == KINDS[0] for row in rows):
        return None
    caption = (
        "Share of groups whose completions are not all right or all wrong: foretold from stored pass rates (95 % intervals by "
        "bootstrap over the kept prompts), and what the first seed's training had in its first "
        "tenth and in all steps (rewards that differ in any part; no intervals, steps depend on each other)."
    )
    return Figure(
        "live", "Live groups, foretold and found", caption, rows, draw_live, 1.3 + 0.42 * len(series(rows, "arm"))
    )


def draw_live(axes: Any, rows: Sequence[Row]) -> None:
    arms = list(series(rows, "arm"))
    for index, kind in enumerate(KINDS):
        own = [row for row in rows if row["what"] == kind]
        at = [arms.index(row["arm"]) + (index - 1) * 0.25 for row in own]
        axes.barh(at, [row["share"] for row in own], 0.23, label=kind, color=COLOURS[index])
        for place, row in zip(at, own, strict=True):
            if row["low"] is not None:
                axes.plot([row["low"], row["high"]], [place, place], color="black", linewidth=1)
    axes.set_yticks(range(len(arms)), arms)
    axes.invert_yaxis()
    axes.set_xlabel("live groups, %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _biases(pools: dict[str, tuple[Run, Scored]], place: dict[str, int]) -> list[Figure]:
    """By property: its shares in the pool and in what each arm keeps."""
    found: dict[str, list[dict[str, Any]]] = {}
    for arm, (run, pool) in pools.items():
        if run.selector == "full":
            continue
        for row in bias(pool):
            found.setdefault(row.what, []).append(
                {"arm": arm, "place": place[arm], "value": row.value, "pool": 100 * row.pool, "kept": 100 * row.kept}
                | {"low": 100 * row.low, "high": 100 * row.high}
            )
    return [
        Figure(
            f"bias-{what.replace(' ', '-')}",
            f"Who is kept, by {what}",
            "Share of the kept prompts of each arm's first seed with 95 % intervals (Wilson); the line is the "
            "share of the pool.",
            rows,
            draw_bias,
            1.2 + 0.3 * len(series(rows, "arm")) * 0.6 * len(series(rows, "value")),
        )
        for what, rows in found.items()
    ]


def draw_bias(axes: Any, rows: Sequence[Row]) -> None:
    values, arms = list(series(rows, "value")), list(series(rows, "arm"))
    step = 0.8 / max(1, len(arms))
    for index, arm in enumerate(arms):
        own = [row for row in rows if row["arm"] == arm]
        at = [values.index(row["value"]) + (index - (len(arms) - 1) / 2) * step for row in own]
        axes.barh(at, [row["kept"] for row in own], step * 0.9, label=arm, **fill(int(own[0]["place"])))
        for place, row in zip(at, own, strict=True):
            axes.plot([row["low"], row["high"]], [place, place], color="black", linewidth=0.8)
    for row in rows:
        place = values.index(row["value"])
        axes.plot([row["pool"], row["pool"]], [place - 0.42, place + 0.42], color="0.3", linewidth=1.4, linestyle="--")
    axes.set_yticks(range(len(values)), values)
    axes.invert_yaxis()
    axes.set_xlabel("share of the prompts, %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
