"""Memory must not grow with the pool: peak of the scoring rank and of the parent at 2,000 and at 200,000 prompts.

    python bench/memory.py

Writes memory.json. Levels 3 to 6 of the lab's arithmetic: the easy ones have too few problems.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ufo_rl.selector.cut import select
from ufo_rl.selector.ufo import Ufo

SIZES = (2_000, 200_000)
NUM_SELECTED = 1_000_000
PARENT = """
import resource, sys
from ufo_rl.cli import main
status = main()
print("parent_mib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
sys.exit(status)
"""


def main() -> None:
    result = {"selection_of_a_million_s": time_selection(), "peak_mib": {}}
    for size in SIZES:
        result["peak_mib"][size] = peaks(size)
        sys.stdout.write(f"{size}: {result['peak_mib'][size]}\n")
    small, large = (result["peak_mib"][size] for size in SIZES)
    result["growth_mib"] = {name: large[name] - small[name] for name in ("rank", "parent")}
    (Path(__file__).parent / "memory.json").write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def peaks(size: int) -> dict[str, float]:
    """Peak resident memory, MiB, of the rank that scores and of the parent, in one run of `size` prompts."""
    overrides = [
        "model=tiny",
        "selector=ufo",
        "ratio.value=0.001",
        f"dataset.num_prompts={size}",
        "dataset.levels=[3,4,5,6]",
    ]
    overrides += ["train.max_steps=1", "train.per_device_train_batch_size=16", "eval.arithmetic.limit=8", "tracker=off"]
    overrides += ["signal.confidence.batch_tokens=4096"]  # one batch is the same in both
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", PARENT, *overrides], cwd=folder, text=True, capture_output=True, check=False
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        (metrics,) = Path(folder).glob("outputs/runs/dev/*/metrics.json")
        account = json.loads(metrics.read_text())["signals"]["confidence"]
        parent = float(done.stdout.split("parent_mib")[1])
        seconds = time.perf_counter() - began
    return {"rank": account["peak_memory_gib"] * 1024, "parent": parent, "seconds": seconds}


def time_selection() -> float:
    rng = np.random.default_rng(0)
    ids = np.array([f"{number:016x}" for number in rng.integers(0, 2**62, NUM_SELECTED)])
    columns = {"id": ids, "confidence": rng.random(NUM_SELECTED)}
    began = time.perf_counter()
    select(columns, Ufo("mean", "confidence"), 0.1, seed=0)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
