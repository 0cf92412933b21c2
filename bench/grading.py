"""The grader against math-verify called alone, on a batch of GRPO, and on hostile completions, in one run.

    UFO_RL_DATA=FOLDER python bench/grading.py

Writes grading.json, the latest of each part. Both graders have two processes and two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import grpo_batch
import math_verify_alone

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.files.environment import hardware, versions
from ufo_rl.grader.math import MathGrader

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tests.fuzz_completions import HANGING, fuzzed  # noqa: E402  (the test and this benchmark share them)

NUM_PROCESSES, REPETITIONS, NUM_BATCHES, NUM_HOSTILE = 2, 3, 9, 10_000
SEED = 7  # of the hostile completions: the rules were made with those of seed 0
Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    options = parser.parse_args()
    data = Path(os.environ["UFO_RL_DATA"])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:NUM_PROCESSES])
    (job,) = compose_jobs(["grader=math"])
    limits = load(job.plain).grader
    path = HERE / "grading.json"
    record = json.loads(path.read_text()) if path.is_file() else {}
    for name in options.parts:
        record[name] = {
            "command": f"python bench/grading.py --parts {name}",
            "device": f"{hardware()['cpu']}, {hardware()['cpus']} cores",
            "load": os.getloadavg()[0],
            "versions": {k: v for k, v in versions().items() if k in ("python", "math-verify")}
            | {name: version(name) for name in ("sympy", "antlr4-python3-runtime", "mpmath")},
            "time_limit_s": limits["time_limit_s"],
            **PARTS[name](data, limits["time_limit_s"], limits["max_chars"]),
        }
        sys.stdout.write(json.dumps({name: record[name]}, indent=1) + "\n")
        path.write_text(json.dumps(record, indent=1) + "\n")


# ------------------------------------------------------------------ unique pairs


def unique_pairs(data: Path) -> dict[Pair, bool]:
    """Pairs of gold and completion with their verdicts: the labelled cases less those made to hang, and MATH-500's golds,
    each second one with a digit changed or another question's gold."""
    cases = [json.loads(line) for line in (data / "grader_cases.jsonl").read_text().splitlines()]
    pairs = {(c["gold"], c["completion"]): c["expected"] for c in cases if c["category"] != "catastrophic"}
    golds = [json.loads(line)["answer"] for line in (data / "math500_test.jsonl").read_text().splitlines()]
    for number, gold in enumerate(golds):
        answer = _another(gold, golds[number - 1]) if number % 2 else gold
        pairs[gold, f"Question {number + 1}. Hence the answer is $\\boxed{{{answer}}}$."] = answer == gold
    return pairs


def _another(gold: str, neighbour: str) -> str:
    at = next((at for at, sign in enumerate(gold) if sign.isdigit()), None)
    return neighbour if at is None else gold[:at] + str((int(gold[at]) + 1) % 10) + gold[at + 1 :]


def against_math_verify(data: Path, limit_s: float, max_chars: int) -> dict[str, Any]:
    """Alternating; each repetition in fresh processes, so that no verdict is remembered."""
    pairs = unique_pairs(data)
    runs: dict[str, list[float]] = {"ours": [], "math_verify": []}
    cpu: dict[str, list[float]] = {"ours": [], "math_verify": []}
    found: dict[str, dict[str, int]] = {}
    expected = list(pairs.values())
    for _ in range(REPETITIONS):
        start = _cpu_seconds()
        grader = warm_grader(limit_s, max_chars)
        began = time.perf_counter()
        graded = grader.grade_all(*zip(*pairs, strict=True))
        runs["ours"].append(len(pairs) / (time.perf_counter() - began))
        grader.close()
        cpu["ours"].append(_cpu_seconds() - start)
        found["ours"] = {
            "right": sum(one.correct == wanted for one, wanted in zip(graded, expected, strict=True)),
            "timeouts": sum(one.reason.startswith("timeout") for one in graded),
        }
        start = _cpu_seconds()
        verdicts, timeouts, seconds = math_verify_alone.grade_all(list(pairs), NUM_PROCESSES, limit_s)
        runs["math_verify"].append(len(pairs) / seconds)
        cpu["math_verify"].append(_cpu_seconds() - start)
        right = sum(one == wanted for one, wanted in zip(verdicts, expected, strict=True))
        found["math_verify"] = {"right": right, "timeouts": timeouts}
    ratios = [ours / theirs for ours, theirs in zip(runs["ours"], runs["math_verify"], strict=True)]
    return {
        "pairs": len(pairs),
        "processes": NUM_PROCESSES,
        "verdicts_per_s": {name: {"median": median(speeds), "all": speeds} for name, speeds in runs.items()},
        "ratio": {"median": median(ratios), "all": ratios},
        "cpu_seconds_with_starts": {name: median(some) for name, some in cpu.items()},
        **found,
    }


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended; what others do on the machine hardly changes them."""
    return sum(os.times()[:4])


def warm_grader(limit_s: float, max_chars: int) -> MathGrader:
    """A grader without verdicts whose children are all started."""
    grader = MathGrader(limit_s, max_chars)
    grader.grade_all(["x+1"] * 8, [rf"\boxed{{{n}+x}}" for n in range(8)])
    return grader


# ------------------------------------------------------------------ a batch of GRPO


def time_batches(data: Path, limit_s: float, max_chars: int) -> dict[str, Any]:
    """Seconds for each of several batches, one after the other by the same grader, as in training; the first is left out."""
    grader, seconds, shares = warm_grader(limit_s, max_chars), [], defaultdict(list)
    for seed in range(NUM_BATCHES + 1):
        pairs = grpo_batch.batch(data, seed)
        began = time.perf_counter()
        graded = grader.grade_all(*zip(*pairs, strict=True))
        seconds.append(time.perf_counter() - began)
        shares["correct"].append(sum(one.correct for one in graded) / len(pairs))
        shares["unparsed"].append(sum(one.reason.startswith("unparsed") for one in graded) / len(pairs))
    grader.close()
    return {
        "completions": len(pairs),
        "mean_chars": sum(len(completion) for _, completion in pairs) / len(pairs),
        "seconds": {"median": median(seconds[1:]), "max": max(seconds[1:])},
        "shares": {name: median(values) for name, values in shares.items()},
    }


# ------------------------------------------------------------------ hostile completions


def time_hostile(_: Path, limit_s: float, max_chars: int) -> dict[str, Any]:
    """Seconds of single calls by kind, one after the other by a warm grader; then questions that hang."""
    grader, times, wrong = warm_grader(limit_s, max_chars), defaultdict(list), 0
    reached: dict[str, int] = defaultdict(int)  # completions that took all the time there is, by kind
    for row in fuzzed(NUM_HOSTILE, SEED):
        began = time.perf_counter()
        graded = grader.grade(row.gold, row.completion)
        times[row.kind].append(time.perf_counter() - began)
        wrong += graded.correct is not row.is_right
        reached[row.kind] += graded.reason.startswith(("timeout", "crash"))
    peaks = [_memory(child.process.pid) for child in grader._verifier.children if child is not None]
    hanging = []
    for answer in HANGING:
        began = time.perf_counter()
        graded = grader.grade("982451653", rf"\boxed{{{answer}}}")
        hanging.append({"answer": answer, "seconds": time.perf_counter() - began, "reason": graded.reason})
    grader.close()
    return {
        "completions": NUM_HOSTILE,
        "wrong": wrong,
        "seed": SEED,
        "reached_the_limit": {kind: count for kind, count in reached.items() if count},
        "milliseconds": {kind: _quantiles(some) for kind, some in times.items()},
        "children_peak_mib": {name: max(peak[name] for peak in peaks) for name in peaks[0]},
        "hanging": hanging,
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = [1000 * one for one in sorted(seconds)]
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100], "max": ordered[-1]}


def _memory(pid: int) -> dict[str, float]:
    """Peak resident memory and peak address space of a running process, MiB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    sizes = {line[0]: int(line[1]) / 1024 for line in lines if line[0] in ("VmHWM:", "VmPeak:")}
    return {"resident": sizes["VmHWM:"], "address_space": sizes["VmPeak:"]}


PARTS = {"unique_pairs": against_math_verify, "grpo_batch": time_batches, "hostile": time_hostile}

if __name__ == "__main__":
    main()
