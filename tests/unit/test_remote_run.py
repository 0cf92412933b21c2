"""Runs as W&B has them, compared without their questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.planted import plant
from ufo_rl.report.comparing.comparison import compare_runs
from ufo_rl.report.disk.remote_run import RemoteRun, remote_run


def told(tmp_path: Path, selector: str, accuracy: float, seed: int = 0, **more: Any) -> RemoteRun:
    folder = plant(tmp_path, selector, range(400, 500), seed=seed, ratio=1.0 if selector == "full" else 0.1)
    summary = {"math500_base": 0.6, "math500_final": accuracy, "math500_n": 500, "eval/math500_is_subset": True}
    return remote_run(
        {
            "id": f"{selector}{seed}",
            "name": folder.name,
            "state": "finished",
            "created": "2026-11-27T10:00:00",
            "config": yaml.safe_load((folder / "config.yaml").read_text()),
            "summary": summary | more,
        }
    )


def test_a_difference_of_one_seed_has_no_interval_and_no_verdict(tmp_path: Path) -> None:
    text = compare_runs([told(tmp_path, "full", 0.8), told(tmp_path, "ufo", 0.75)], None, each_seed=True)
    (row,) = [line for line in text.splitlines() if line.startswith("ufo 10%") and "->" in line]
    assert "nan" not in text and "500 questions (subset)" in text and row.split()[-1] == "-"


def test_seeds_are_paired(tmp_path: Path) -> None:
    """-5, -3, -4 points: mean -4, s = 1, t(0.975, 2) = 4.303: +- 2.5."""
    runs = [told(tmp_path, "full", 0.8, seed) for seed in range(3)]
    runs += [told(tmp_path, "ufo", 0.75 + 0.01 * more, seed) for seed, more in enumerate((0, 2, 1))]
    text = compare_runs(list(runs), None, each_seed=True)
    (row,) = [line for line in text.splitlines() if line.startswith("ufo 10%") and "->" in line]
    assert "-4.0 [-6.5, -1.5]" in row and "worse" in row and "nan" not in text


def test_what_is_not_ours_says_so(tmp_path: Path) -> None:
    strange = remote_run(
        {"id": "a", "name": "lunch", "state": "finished", "created": "", "config": {}, "summary": {"loss": 1.0}}
    )
    text = compare_runs([told(tmp_path, "full", 0.8), strange], None)
    assert "lunch: W&B has no results of it" in text
