"""How long a stage takes to start: from being asked for to its first batch, in a sweep of many short jobs, with one rank and
with two, by this checkout and by earlier ones.

    python bench/startup.py now=. before=FOLDER

FOLDER is another checkout of the repository; its code runs with this environment's packages. Writes startup.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ufo_rl.files.environment import hardware, versions
from ufo_rl.files.journal import parse

HERE = Path(__file__).parent
JOBS = 20
SWEEP = (
    "-m",
    "model=tiny",
    f"seed=range({JOBS})",
    "selector=ufo",
    "dataset.num_prompts=96",
    "eval.arithmetic.dataset.num_prompts=24",
    "eval.arithmetic.size=24",
    "train.max_steps=1",
    "train.save_steps=null",
    "train.per_device_train_batch_size=16",
    "tracker=off",
)


def main() -> None:
    checkouts = dict(word.split("=", 1) for word in sys.argv[1:]) or {"now": "."}
    found = {
        f"{num_ranks} rank{'s' if num_ranks > 1 else ''}": {
            name: measure(Path(folder).resolve(), num_ranks) for name, folder in checkouts.items()
        }
        for num_ranks in (1, 2)
    }
    told = {
        "machine": hardware(),
        "versions": {
            k: v for k, v in versions().items() if k in ("python", "torch", "transformers", "trl", "deepspeed")
        },
        "jobs": JOBS,
        "seconds": found,
    }
    (HERE / "startup.json").write_text(json.dumps(told, indent=1) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def measure(checkout: Path, num_ranks: int) -> dict[str, Any]:
    """Of each stage: the median over the jobs, of how many starts; the first stage of the command by itself."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        subprocess.run(
            [sys.executable, "-m", "ufo_rl.cli", *SWEEP, f"launch.num_ranks={num_ranks}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            check=True,
            capture_output=True,
        )
        seconds = time.time() - began
        journals = sorted(Path(folder).glob("outputs/*/*/*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
        starts = [one for path in journals for one in stage_starts(path)]
    later: dict[str, list[float]] = {}
    for stage, taken in starts[1:]:
        later.setdefault(stage, []).append(taken)
    return {
        "command": seconds,
        "first stage": starts[0][1],
        "later stages": {
            stage: {"starts": len(all_), "median": statistics.median(all_), "longest": max(all_)}
            for stage, all_ in later.items()
        },
    }


def stage_starts(journal: Path) -> Iterator[tuple[str, float]]:
    """Each stage, and the seconds from being asked for until its first batch was done, which versions of all times tell."""
    asked: dict[str, float] = {}
    for line in parse(journal.read_bytes()):
        if line["event"] == "start":
            asked[line["stage"]] = line["time"]
        elif line["event"] in ("progress", "metrics") and line["stage"] in asked:
            yield line["stage"], line["time"] - asked.pop(line["stage"])


if __name__ == "__main__":
    main()
