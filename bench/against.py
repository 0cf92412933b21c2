"""This commit against an earlier one, alternating on this machine: speed and memory must not be worse, the demo's metrics
must be the same.

    UFO_RL_DATA=FOLDER python bench/against.py COMMIT [--parts scoring grading memory demo] [--repeats 3]

Both sides run their own benchmark scripts from fresh checkouts, in turn (before, after, after, before, ...), with this Python.
Writes against.json: every figure, and the ratio of the medians, after to before. A quiet machine is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SIDES = ("before", "after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    path = HERE / "against.json"
    record = json.loads(path.read_text()) if path.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        checkouts = {side: Path(folder) / side for side in SIDES}
        commits = {
            side: checkout(name, checkouts[side]) for side, name in zip(SIDES, (options.commit, "HEAD"), strict=True)
        }
        for part in options.parts:
            repeats = 1 if part == "demo" else options.repeats
            figures: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
            for turn in range(repeats):
                for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                    figures[side].append(PARTS[part](checkouts[side]))
                    sys.stdout.write(f"{part} {side}: {figures[side][-1]}\n")
            record[part] = {"commits": commits, "cpus": os.cpu_count(), "load": os.getloadavg()[0], **summary(figures)}
            path.write_text(json.dumps(record, indent=1) + "\n")
            sys.stdout.write(f"{part}: {record[part]['ratio']}\n")


def checkout(commit: str, folder: Path) -> str:
    """A clone at the commit; returns its full name."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(HERE.parent), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", commit], check=True)
    found = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def summary(figures: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """All figures, and by name the ratio of the medians, after to before."""
    names = figures["before"][0]
    ratio = {
        name: median(one[name] for one in figures["after"]) / median(one[name] for one in figures["before"])
        for name in names
        if median(one[name] for one in figures["before"])
    }
    return {**figures, "ratio": {name: round(value, 4) for name, value in ratio.items()}}


def run(folder: Path, *words: str, cwd: Path | None = None) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd or folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def scoring(folder: Path) -> dict[str, float]:
    """The lab's model on GSM8K's prompts."""
    run(folder, "bench/scoring.py", "--shapes", "tiny")
    entries = json.loads((folder / "bench/scoring.json").read_text())
    entry = next(one for one in entries if (one["shape"], one["pool"], one["dtype"]) == ("tiny", "gsm8k", "float32"))
    return {"prompts_per_s": entry["ours"]["prompts_per_s"]}


def grading(folder: Path) -> dict[str, float]:
    """Verdicts a second on unique pairs, and the seconds of a batch of GRPO."""
    run(folder, "bench/grading.py", "--parts", "unique_pairs", "grpo_batch")
    found = json.loads((folder / "bench/grading.json").read_text())
    return {
        "verdicts_per_s": found["unique_pairs"]["verdicts_per_s"]["ours"]["median"],
        "grpo_batch_s": found["grpo_batch"]["seconds"]["median"],
    }


def memory(folder: Path) -> dict[str, float]:
    """Peaks at 2,000 and 200,000 prompts, MiB."""
    run(folder, "bench/memory.py")
    found = json.loads((folder / "bench/memory.json").read_text())["peak_mib"]
    return {f"{who}_{size}": found[size][who] for size in found for who in ("rank", "parent")}


def demo(folder: Path) -> dict[str, float]:
    """The metrics of the four arms; a ratio of 1 is the same number. Kept ids count by a hash of theirs."""
    with tempfile.TemporaryDirectory() as outputs:
        run(folder, "-m", "ufo_rl.cli", "-cd", str(folder / "sweeps"), "-cn", "demo", "tracker=off", cwd=Path(outputs))
        figures: dict[str, float] = {}
        for selected in sorted(Path(outputs).glob("outputs/sweeps/demo/*/selection.json")):
            selection = json.loads(selected.read_text())
            metrics = json.loads((selected.parent / "metrics.json").read_text())
            summary = json.loads((selected.parent / "eval/arithmetic/manifest.json").read_text())
            base = json.loads((selected.parent / "base_eval/arithmetic.json").read_text())
            arm = selection["selector"]
            figures |= {
                f"{arm}_ids": float(int.from_bytes("".join(selection["ids"]).encode(), "big") % 1_000_003),
                f"{arm}_base": base["accuracy"],
                f"{arm}_final": summary["accuracy"],
                f"{arm}_final_tokens": summary["generated_tokens"],
                f"{arm}_train_tokens": metrics["generated_tokens"],
                f"{arm}_epochs": metrics["epochs"],
            }
            if metrics["spearman"]:
                figures[f"{arm}_spearman"] = metrics["spearman"]["rho"]
        return figures


PARTS: dict[str, Callable[[Path], dict[str, float]]] = {
    "scoring": scoring,
    "grading": grading,
    "memory": memory,
    "demo": demo,
}

if __name__ == "__main__":
    main()
