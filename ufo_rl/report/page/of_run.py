"""The figures of one run by itself: what it selected, and how it trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ufo_rl.report.comparing.pairing import gather
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.page.chosen import selection_figures
from ufo_rl.report.page.curves import curve_figures
from ufo_rl.report.page.figure import save


def save_figures(folder: Path) -> dict[str, Path]:
    """Write those of a run whose results are there, whatever its status says yet, below `figures` in its folder; its PNGs by
    name."""
    (run,) = find_runs([folder])
    (block,) = gather([replace(run, status={"state": "completed"})])
    figures = [*selection_figures(block), *curve_figures(block)]
    return {
        figure.name: next(path for path in save(figure, folder / "figures") if path.suffix == ".png")
        for figure in figures
    }
