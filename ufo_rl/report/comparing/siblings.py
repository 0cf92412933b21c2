"""What a run gained, over the model it began with and over the baseline beside it: columns to sort by in W&B."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ufo_rl.report.comparing.pairing import USUAL_BASELINES, change, gather
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.disk.run_record import Run
from ufo_rl.stats.intervals import Difference


def gains(folder: Path) -> dict[str, float]:
    """Of a run whose results are there, whatever its status says yet: BENCHMARK_gain with _low and _high, over the untrained
    model; BENCHMARK_minus_BASELINE over the run of the same seed and settings in the same sweep that is a baseline, if it is
    done. Paired by question, 95 % intervals over these."""
    first, *others = find_runs([folder, *_baselines(folder)])
    run = replace(first, status={"state": "completed"})
    found: dict[str, float] = {}
    for name in run.benchmarks:
        found |= _columns(f"{name}_gain", change(run, name))
    if run.selector in USUAL_BASELINES:
        return found
    for block in gather([run, *(one for one in others if _is_partner(one, run))]):
        for name, results in block.results.items():
            for one in results:
                if one.run is run:
                    found |= _columns(f"{name}_minus_{block.baseline}", one.minus_baseline)
    return found


def _baselines(folder: Path) -> list[Path]:
    """Runs beside it that are called after a baseline, of the same seed: the name of a run says both."""
    seed = next((word for word in reversed(folder.name.split("-")) if word[:1] == "s" and word[1:].isdecimal()), "")
    found = [
        path for name in USUAL_BASELINES for path in sorted(folder.parent.glob(f"*-{name}*-{seed}-*")) if path != folder
    ]
    return [path for path in found if (path / "metrics.json").is_file() and (path / "run.json").is_file()]


def _is_partner(one: Run, run: Run) -> bool:
    return one.is_complete and one.setting == run.setting and one.seed == run.seed


def _columns(name: str, difference: Difference | None) -> dict[str, float]:
    if difference is None:
        return {}
    return {name: difference.value, f"{name}_low": difference.low, f"{name}_high": difference.high}
