"""The comparison for other programs: a row an arm, seed and benchmark, the same keys in every row, nothing rounded."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ufo_rl.report.comparing.comparison import incomplete
from ufo_rl.report.comparing.costs import scoring_of, total_of
from ufo_rl.report.comparing.pairing import Block, Result, gather
from ufo_rl.report.comparing.warnings import warnings_of
from ufo_rl.report.disk.run_folders import find_runs


def arm_rows(paths: Sequence[str | Path], baseline: str | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows, and what is to be said of them: runs left out, warnings, notes. Accuracies are shares, seconds seconds;
    None where something is not known. The arguments are those of `compare`."""
    runs = find_runs(paths)
    blocks = gather(runs, baseline)
    rows = [_row(block, name, one) for block in blocks for name, results in block.results.items() for one in results]
    told = [f"not in the rows: {line}" for line in incomplete(runs)]
    for block in blocks:
        told += [] if block.holds_evaluations else [line.removeprefix("- ") for line in warnings_of(block)]
        told += block.notes
    return rows, list(dict.fromkeys(told))


def written(rows: Sequence[dict[str, Any]], form: str, keys: Sequence[str] | None = None) -> str:
    """The rows as a JSON array of objects, or as CSV with a header of `keys` (those of arms); None is null, in CSV an empty
    cell."""
    rows = [{key: _plain(value) for key, value in row.items()} for row in rows]
    if form == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, KEYS if keys is None else keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().rstrip("\n")


def _row(block: Block, benchmark: str, one: Result) -> dict[str, Any]:
    run, before, after, gap = one.run, one.before, one.after, one.minus_baseline
    is_run, paid, metrics = not run.is_evaluation, run.seconds, run.metrics
    values = [
        *(str(run.value("model.name")), block.setting[1] or None, str(run.value("template.name"))),
        *(benchmark, block.label(run), run.selector if is_run else None, run.share if is_run else None),
        *(run.seed if is_run else None, after.n, after.is_subset),
        *((before.share, before.low, before.high) if before else (None, None, None)),
        *(after.share, after.low, after.high),
        *(block.baseline or None, one.is_baseline),
        *((gap.value, gap.low, gap.high) if gap else (None, None, None)),
        *(metrics.get("num_selected"), metrics.get("steps"), metrics.get("epochs")),
        scoring_of(run),
        *(paid.get("train"), total_of(paid, "base_eval", "eval"), paid.get("total")),
        *(run.signal_seconds if run.signals else None, run.id, str(run.folder)),
    ]
    return dict(zip(KEYS, values, strict=True))


KEYS = (
    *("model", "dataset", "template", "benchmark", "arm", "selector", "ratio", "seed", "n", "is_subset"),
    *("before", "before_low", "before_high", "after", "after_low", "after_high"),
    *("baseline", "is_baseline", "minus_baseline", "minus_baseline_low", "minus_baseline_high"),
    *("num_selected", "steps", "epochs", "seconds_score", "seconds_train", "seconds_eval", "seconds_total"),
    *("signal_seconds", "run", "folder"),
)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
