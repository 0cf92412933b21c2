"""This commit against an earlier one, alternating on this machine: speed and memory must not be worse, the demo's metrics
must be the same.

    UFO_RL_DATA=FOLDER python bench/against.py COMMIT [--parts scoring grading memory sweep steps demo] [--repeats 3]

Both sides run their own benchmark scripts from fresh checkouts, in turn (before, after, after, before, ...), with this Python.
Writes against.json: every figure, and the ratio of the medians, after to before; of the demo whether kept ids and metrics are
the same, and what differs. A quiet machine is needed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SIDES = ("before", "after")
TOLERANCE = 1e-6  # of the demo's numbers
Arms = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--parts", nargs="+", default=[*PARTS, "demo"], choices=[*PARTS, "demo"])
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
            found = (
                sameness(*(demo(checkouts[side]) for side in SIDES))
                if part == "demo"
                else summary(measured(part, checkouts, options.repeats))
            )
            record[part] = {"commits": commits, "cpus": os.cpu_count(), "load": os.getloadavg()[0], **found}
            path.write_text(json.dumps(record, indent=1) + "\n")
            sys.stdout.write(f"{part}: {found if part == 'demo' else found['ratio']}\n")


def measured(part: str, checkouts: dict[str, Path], repeats: int) -> dict[str, list[dict[str, float]]]:
    """The figures of both sides, in turn."""
    figures: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for turn in range(repeats):
        for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
            figures[side].append(PARTS[part](checkouts[side]))
            sys.stdout.write(f"{part} {side}: {figures[side][-1]}\n")
    return figures


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


# The demo as it was while there was one lab: what earlier commits have too.
DEMO = (
    *("-m", "model=tiny", "selector=full,random,ufo,accuracy", "ratio=10pct", "deepspeed=zero2", "name=demo"),
    *("dataset.num_prompts=900", "train.max_steps=30", "train.per_device_train_batch_size=32", "launch.num_ranks=2"),
    "tracker=off",
)


def sweep(folder: Path) -> dict[str, float]:
    """Eight jobs: the demo's four arms in two seeds."""
    with tempfile.TemporaryDirectory() as outputs:
        began = time.perf_counter()
        run(folder, "-m", "ufo_rl.cli", *DEMO, "seed=0,1", cwd=Path(outputs))
        return {"seconds": time.perf_counter() - began}


ONE_RANK = ("model=tiny", "launch.num_ranks=1")
TWO_RANKS = ("model=tiny", "launch.num_ranks=2", "train.per_device_train_batch_size=32")
LAB = {
    "seconds": ONE_RANK,
    "one_thread_seconds": (*ONE_RANK, "launch.threads_per_rank=1"),
    "two_ranks_seconds": TWO_RANKS,
}


def steps(folder: Path) -> dict[str, float]:
    """A training of 60 steps of 64 completions, from the end of the first to that of the last: on one rank with the machine's
    threads, with one thread, and on two ranks as the demo has it."""
    found = {}
    for name, words in LAB.items():
        with tempfile.TemporaryDirectory() as outputs:
            words = (*words, "selector=random", "dataset.num_prompts=900", "eval.arithmetic.limit=64")
            run(folder, "-m", "ufo_rl.cli", *words, "train.save_steps=null", "tracker=off", cwd=Path(outputs))
            (journal,) = Path(outputs).glob("outputs/runs/dev/*/metrics.jsonl")
            lines = [json.loads(line) for line in journal.read_text().splitlines()]
            times = [line["time"] for line in lines if line["stage"] == "train" and line["event"] == "metrics"]
            found |= {"steps": len(times), name: times[-1] - times[0]}
    return found


def demo(folder: Path) -> Arms:
    """What each of the four arms kept, and its metrics."""
    with tempfile.TemporaryDirectory() as outputs:
        run(folder, "-m", "ufo_rl.cli", *DEMO, cwd=Path(outputs))
        arms: Arms = {}
        for selected in sorted(Path(outputs).glob("outputs/sweeps/demo/*/selection.json")):
            selection = json.loads(selected.read_text())
            metrics = json.loads((selected.parent / "metrics.json").read_text())
            summary = json.loads((selected.parent / "eval/arithmetic/manifest.json").read_text())
            base = json.loads((selected.parent / "base_eval/arithmetic.json").read_text())
            arms[selection["selector"]] = {
                "ids": selection["ids"],
                "base": base["accuracy"],
                "final": summary["accuracy"],
                "final_tokens": summary["generated_tokens"],
                "train_tokens": metrics["generated_tokens"],
                "epochs": metrics["epochs"],
                "spearman": metrics["spearman"] and metrics["spearman"]["rho"],
            }
        return arms


def sameness(before: Arms, after: Arms) -> dict[str, Any]:
    """Whether two demos are the same: equal ids in equal order, numbers within TOLERANCE; and what differs."""
    differences = [
        f"{arm}: only {side}"
        for side, arms, others in ((SIDES[0], before, after), (SIDES[1], after, before))
        for arm in arms
        if arm not in others
    ]
    for arm in before.keys() & after.keys():
        for name in before[arm].keys() | after[arm].keys():
            one, other = before[arm].get(name), after[arm].get(name)
            if name == "ids" and one != other:
                both = len(set(one or ()) & set(other or ()))
                differences.append(f"{arm} ids: {len(one or ())} and {len(other or ())}, {both} in both")
            elif name != "ids" and not _is_near(one, other):
                differences.append(f"{arm} {name}: {one} and {other}")
    if not before and not after:
        differences.append("no arm on either side")
    return {"same": not differences, "differences": sorted(differences)}


def _is_near(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=0, abs_tol=TOLERANCE)


PARTS: dict[str, Callable[[Path], dict[str, float]]] = {
    "scoring": scoring,
    "grading": grading,
    "memory": memory,
    "sweep": sweep,
    "steps": steps,
}

if __name__ == "__main__":
    main()
