"""`ufo-rl compare --rows KEY --cols KEY`: mean accuracy over the seeds, by two keys of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError, nearest
from ufo_rl.files.flat import flat
from ufo_rl.report.comparing.arm_rows import written
from ufo_rl.report.comparing.comparison import incomplete
from ufo_rl.report.comparing.pairing import Block, Result, gather
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.disk.run_record import Run
from ufo_rl.report.text import NOTHING, fit, interval, percent, points, titled
from ufo_rl.stats.intervals import Difference
from ufo_rl.stats.seeds import mean_over_seeds

# What people call a key: the option of a group, the ratio, the arm as tables call it.
SHORT = {"ratio": "ratio.value", "arm": "arm"}
GROUPS = ("selector", "model", "dataset", "template", "train", "refresh", "deepspeed", "engine", "grader", "reward")
SETTING = ("model", "dataset", "template")
TABLE = ("benchmark", *SETTING)  # what one table is of


def pivot(
    paths: Sequence[str | Path], rows: str, cols: str | None, benchmark: str | None, baseline: str | None, form: str
) -> tuple[str, list[str]]:
    """The text in a form of table, md, csv, json, and what is to be said besides: runs left out. Of accuracies; with a
    `baseline` of the differences to it, paired by seed. UserError for a key or a benchmark that no run has."""
    runs = find_runs(paths)
    blocks = gather(runs, baseline)
    complete = [run for block in blocks for run in block.runs]
    labels = {run: block.label(run) for block in blocks for run in block.runs}
    first, second = _getter(rows, complete, labels), _getter(cols, complete, labels) if cols else None
    names = list(dict.fromkeys(name for run in complete for name in run.benchmarks))
    if benchmark is not None and benchmark not in names:
        raise UserError(f"--by {benchmark}: no run has it{nearest(benchmark, names)} (benchmarks: {', '.join(names)})")
    records: list[dict[str, Any]] = []
    mixed: dict[str, None] = {}
    for name in [benchmark] if benchmark else names:
        cells: dict[tuple[tuple[str, ...], str, str], list[Result]] = {}
        for block in blocks:
            for one in block.results.get(name, []):
                if baseline is None or one.minus_baseline is not None:
                    place = (_setting(block, rows, cols), first(one.run), second(one.run) if second else "")
                    cells.setdefault(place, []).append(one)
        for (setting, row, col), own in cells.items():
            where = {**dict(zip(SETTING, setting, strict=True)), rows: row, **({cols: col} if cols else {})}
            arms = dict.fromkeys(labels[one.run] for one in own)
            records.append({"benchmark": name, **where, **_numbers(own, baseline is not None), "arms": len(arms)})
            if len(arms) > 1:
                records[-1] |= {"low": None, "high": None}
                mixed[f"{', '.join(arms)}: in one cell, which has no interval: runs of several arms are no seeds"] = (
                    None
                )
    told = [f"not in the table: {line}" for line in incomplete(runs)] + list(mixed)
    if form in ("json", "csv"):
        return written(records, form, list(records[0]) if records else []), told
    return _shown(records, rows, cols, baseline, form == "md"), told


def _setting(block: Block, *asked: str | None) -> tuple[str, ...]:
    """Model, dataset and template of a block, "" for what is a row or a column: accuracies of others are not one mean."""
    places = {SHORT.get(key, f"{key}.name" if key in GROUPS else key) for key in asked if key}
    return tuple("" if f"{name}.name" in places else value for name, value in zip(SETTING, block.setting, strict=True))


def _numbers(results: Sequence[Result], is_difference: bool) -> dict[str, Any]:
    values = [one.minus_baseline.value if is_difference and one.minus_baseline else one.after.share for one in results]
    found = mean_over_seeds(values, 1 / results[0].after.n)
    has_interval = found.n > 1
    return {
        "mean": found.value,
        "low": found.low if has_interval else None,
        "high": found.high if has_interval else None,
        "runs": found.n,
    }


def _shown(
    records: Sequence[Mapping[str, Any]], rows: str, cols: str | None, baseline: str | None, is_markdown: bool
) -> str:
    parts, what = [], "Accuracy" if baseline is None else f"Accuracy minus {baseline}'s, paired by seed,"
    tables: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for one in records:
        tables.setdefault(tuple(one[key] for key in TABLE if key not in (rows, cols)), []).append(one)
    settings = [dict.fromkeys(one[key] for one in records) for key in SETTING]
    for own in tables.values():
        name = own[0]["benchmark"]
        what_of = [
            f"{key} {own[0][key]}"
            for key, known in zip(SETTING, settings, strict=True)
            if key not in (rows, cols) and len(known) > 1
        ]
        across = sorted({one[cols] for one in own}, key=_order) if cols else [""]
        cells = {(one[rows], one[cols] if cols else ""): _cell(one, baseline is not None) for one in own}
        lines = [
            [down, *(cells.get((down, one), NOTHING) for one in across)]
            for down in sorted({one[rows] for one in own}, key=_order)
        ]
        header = [rows, *((f"{cols} {one}" for one in across) if cols else [name])]
        title = (
            f"{', '.join([f'{what} on {name} in %', *what_of])}, mean of the runs [95 % over them, Student's t] (runs)"
        )
        parts.append(titled(title, header, lines, is_markdown))
    text = "\n\n".join(parts)
    return text if is_markdown else fit(text)


def _cell(one: Mapping[str, Any], is_difference: bool) -> str:
    mean = f"{100 * one['mean']:+.1f}" if is_difference else percent(one["mean"])
    if one["low"] is None:
        between = ""
    elif is_difference:
        return f"{points(Difference(one['mean'], one['low'], one['high']))} ({one['runs']})"
    else:
        between = f" {interval(one['low'], one['high'])}"
    return f"{mean}{between} ({one['runs']})"


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return float("inf"), value


def _getter(key: str, runs: Sequence[Run], labels: Mapping[Run, str]) -> Callable[[Run], str]:
    """What a run has under a key, as text. UserError where no run has it."""
    place = SHORT.get(key, f"{key}.name" if key in GROUPS else key)
    if place == "arm":
        return labels.__getitem__
    known = dict.fromkeys(name for run in runs for name in flat(run.config, "."))
    if place not in known:
        options = [*SHORT, *GROUPS, *known]
        raise UserError(
            f"{key}: no run has such a key{nearest(key, options)}; any key of config.yaml, or {', '.join(SHORT)}"
        )

    def value(run: Run) -> str:
        if place == "ratio.value" and run.selector == "full":
            return "1.0"
        return str(flat(run.config, ".").get(place, NOTHING))

    return value
