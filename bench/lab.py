"""Measure the embedded lab with the product's own commands: `make lab`, about 15 minutes on 2 cores.

Prints, and writes to bench/lab.json: pass rate (K = 16, temperature 1), confidence and greedy accuracy by level, the
rank correlation over 500 prompts, and what GRPO on the full pool gains on the held-out problems in three seeds.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from random import Random
from statistics import fmean

import pyarrow.parquet as pq

from ufo_rl.stats.intervals import paired_difference, spearman

NAME = "lab"
HERE = Path(__file__).resolve().parent
SCORED = (
    "selector=accuracy",
    "ratio=10pct",
    f"name={NAME}-scored",
    "tracker=off",
    "launch.num_ranks=2",
    "train.max_steps=1",
    "train.per_device_train_batch_size=32",
)
FULL = (
    "-m",
    "selector=full",
    "seed=0,1,2",
    f"name={NAME}-full",
    "tracker=off",
    "launch.num_ranks=2",
    "train.per_device_train_batch_size=32",
)


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ufo_rl.cli", *arguments], check=True)


def folders(kind: str, name: str) -> list[Path]:
    return sorted((Path("outputs") / kind / name).glob("tiny-arithmetic-*"))


def by_level(rows: list[dict], value: str) -> dict[str, float]:
    levels = sorted({row["level"] for row in rows})
    means = {level: fmean(float(row[value]) for row in rows if row["level"] == level) for level in levels}
    return {**means, "all": fmean(float(row[value]) for row in rows)}


def main() -> None:
    """Run what is not done yet, then read the figures from the run folders."""
    run(*SCORED)
    run("selector=ufo", *SCORED[1:])
    run(*FULL)
    (scored,) = [f for f in folders("runs", f"{NAME}-scored") if "-ufo-" in f.name]
    scores = sorted(pq.read_table(scored / "scores.parquet").to_pylist(), key=lambda row: row["id"])
    sample = Random(0).sample(scores, 500)
    rank = spearman([row["confidence"] for row in sample], [row["pass_rate"] for row in sample])
    seeds = []
    for folder in folders("sweeps", f"{NAME}-full"):
        base = json.loads((folder / "base_eval/arithmetic.json").read_text())
        before = pq.read_table(Path("outputs") / base["cache"] / "questions.parquet").sort_by("id")
        after = pq.read_table(folder / "eval/arithmetic/questions.parquet").sort_by("id")
        gain = paired_difference(before["correct"].to_pylist(), after["correct"].to_pylist())
        seconds = json.loads((folder / "metrics.json").read_text())["seconds"]
        seeds.append(
            {
                "run": folder.name,
                "before": fmean(before["correct"].to_pylist()),
                "after": fmean(after["correct"].to_pylist()),
                "gain": gain.value,
                "ci": [gain.low, gain.high],
                "n": before.num_rows,
                "train_seconds": seconds["train"],
            }
        )
    figures = {
        "machine": f"{platform.processor() or platform.machine()}, 2 ranks",
        "pool": len(scores),
        "pass_rate": by_level(scores, "pass_rate"),
        "confidence": by_level(scores, "confidence"),
        "greedy_before": by_level(before.to_pylist(), "correct"),
        "spearman": {"rho": rank.rho, "ci": [rank.low, rank.high], "n": rank.n},
        "grpo_on_the_full_pool": seeds,
    }
    (HERE / "lab.json").write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
