"""What a lab can tell, with the product's own commands: pass rates of its pool (K = 16, temperature 1; of the real model 0.5)
by level and kind, rank correlation of confidence with them, what each target of confidence costs beside the samples, and
what training on one tenth of the prompts or another brings at equal steps.

    python bench/lab.py rules arithmetic real          # make lab: targets of confidence, oracle against random
    python bench/lab.py rules --targets --selectors random accuracy easiest hardest --seeds 90 91 --record no
    python bench/lab.py rules --sweep outputs/sweeps/selectors --selectors random accuracy ufo --seeds 0 1 2 3 4

`real` is SmolLM2 (make real-model) on experiment=real-small. Writes the figures to lab.json, each lab under its name, and
prints them. What is done already is not run again. --model takes another model for the lab, --name keeps its folders and
figures apart. A lab is judged without any one-pass selector: `gates` says whether the pool is what it shall be.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq

from ufo_rl.files.environment import hardware
from ufo_rl.report.disk.run_folders import find_runs
from ufo_rl.report.disk.run_record import Run
from ufo_rl.stats.intervals import spearman
from ufo_rl.stats.seeds import mean_over_seeds

HERE = Path(__file__).resolve().parent
OF_LABS = ("launch.num_ranks=2", "train.per_device_train_batch_size=32", "ratio=10pct")
REAL_MODEL = "models/SmolLM2-135M-Instruct"
BASELINE = "random"
TARGETS = ("answer", "solution", "response", "question")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Lab:
    """words: what chooses it. seeds: of the arms. targets: what confidence can be of."""

    words: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    targets: tuple[str, ...] = TARGETS


LABS = {
    "rules": Lab(("model=tiny-rules", "dataset=rules", *OF_LABS)),
    "arithmetic": Lab(("model=tiny", "dataset=arithmetic", *OF_LABS)),
    "real": Lab(("experiment=real-small", "model=smollm2-135m", f"model.path={REAL_MODEL}"), (0,), TARGETS[:3]),
}


def main() -> None:
    """Run what is not done yet, then read the figures from the folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labs", nargs="+", choices=LABS)
    parser.add_argument("--targets", nargs="*", help="of confidence; the lab's, none with no name behind it")
    parser.add_argument("--selectors", nargs="+", default=[BASELINE, "accuracy"])
    parser.add_argument("--seeds", nargs="+", type=int, help="of the arms; the lab's, three or one")
    parser.add_argument("--model", help="a folder in place of the lab's model")
    parser.add_argument("--name", default="lab")
    parser.add_argument("--sweep", help="folder of a sweep that has run, in place of one of these selectors and seeds")
    parser.add_argument("--record", choices=["yes", "no"], default="yes")
    options = parser.parse_args()
    path = HERE / "lab.json"
    for name in options.labs:
        figures = measured(name, options)
        sys.stdout.write(json.dumps({name: figures}, indent=1) + "\n")
        if options.record == "yes":
            record = json.loads(path.read_text()) if path.is_file() else {}
            path.write_text(json.dumps({**record, name: figures}, indent=1) + "\n")


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a lab."""
    lab, where = LABS[name], f"{options.name}-{name}"
    words = [*lab.words, *([f"model.path={options.model}"] if options.model else []), f"name={where}"]
    targets = lab.targets if options.targets is None else options.targets
    seeds = options.seeds or list(lab.seeds)
    rows, sampling = scored([*words, "signal=[pass_rate]"])
    figures = {
        "machine": f"{hardware()['cpu']}, {hardware()['cpus']} cores",
        "command": " ".join(words),
        "pool": len(rows),
        "pass_rate": {key: grouped(rows, key, "pass_rate") for key in ("level", "subject")},
        "gates": gates(rows),
        "targets": {target: correlation(words, rows, sampling, target) for target in targets},
    }
    if options.sweep is None:
        command("-m", *words, f"selector={','.join(options.selectors)}", f"seed={','.join(map(str, seeds))}")
    runs = find_runs([options.sweep or f"outputs/sweeps/{where}"])
    return {**figures, **compared(runs, rows, seeds, options.selectors)}


def command(*words: str) -> str:
    asked = [sys.executable, "-m", "ufo_rl.cli", *words, "tracker=off"]
    return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout


def scored(words: Sequence[str]) -> tuple[Rows, float]:
    """The rows of scores.parquet, and the seconds that the signal's ranks measured for."""
    found = re.search(r"Every prompt with its scores: (\S+)", command("score", *words))
    assert found
    rows = sorted(pq.read_table(found[1]).to_pylist(), key=lambda row: row["id"])
    (costs,) = json.loads(Path(found[1]).with_name("summary.json").read_text())["signals"].values()
    return rows, costs["cost_measuring_device_seconds"]


def correlation(words: Sequence[str], rows: Rows, sampling: float, target: str) -> dict[str, Any]:
    """Of confidence in a target with the pass rate, over the pool and within its levels; and how many times the samples, of
    `sampling` seconds, cost more than the one forward pass a prompt (and the one answer, of a response)."""
    own, seconds = scored([*words, "signal=[confidence]", f"signal.confidence.target={target}"])
    pairs = [(one["confidence"], row["pass_rate"], row["level"]) for one, row in zip(own, rows, strict=True)]
    levels = sorted({level for *_, level in pairs})
    whole = spearman(*zip(*((c, p) for c, p, _ in pairs), strict=True))
    within = {level: spearman(*zip(*((c, p) for c, p, at in pairs if at == level), strict=True)) for level in levels}
    return {
        "spearman": whole._asdict(),
        "within_level": {level: found.rho for level, found in within.items()},
        "samples_cost_times": sampling / seconds,
    }


def grouped(rows: Rows, key: str, value: str) -> dict[str, Any]:
    """The mean and the number of rows for each label of a column, and of all."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        groups[row.get(key, "")].append(row[value])
        groups["all"].append(row[value])
    return {label: {"mean": fmean(own), "n": len(own)} for label, own in sorted(groups.items()) if label}


def is_of_zone(row: dict[str, Any]) -> bool:
    return row.get("subject", "").startswith("zone")


def gates(rows: Rows) -> dict[str, float]:
    """Shares of the pool: what cannot teach; the pass rate of what is mastered; which kinds are nearest to one half."""
    extreme = fmean(row["pass_rate"] <= 0.05 or row["pass_rate"] >= 0.95 for row in rows)
    tenth = sorted(rows, key=lambda row: (round(abs(row["pass_rate"] - 0.5), 12), row["id"]))[: len(rows) // 10]
    mastered = [row["pass_rate"] for row in rows if row.get("subject") == "mastered"]
    return {
        "share_at_most_0.05_or_at_least_0.95": extreme,
        **(
            {"share_of_zone_kinds_in_the_oracles_tenth": fmean(map(is_of_zone, tenth))}
            if any(map(is_of_zone, rows))
            else {}
        ),
        **({"pass_rate_of_mastered": fmean(mastered)} if mastered else {}),
    }


def compared(runs: Sequence[Run], rows: Rows, seeds: Sequence[int], selectors: Sequence[str]) -> dict[str, Any]:
    """Each selector's accuracies over the seeds, and its differences to the baseline of the same seed."""
    rate = {row["id"]: row["pass_rate"] for row in rows}
    by_arm = {(run.selector, run.seed): run for run in runs}
    arms: dict[str, Any] = {}
    for selector in selectors:
        own = [by_arm[selector, seed] for seed in seeds]
        arms[selector] = {
            "dead_groups": fmean(dead_groups(run) for run in own),
            "mean_p_1_p": fmean(fmean(rate[i] * (1 - rate[i]) for i in kept(run)) for run in own),
        }
        for benchmark in own[0].benchmarks:
            after = [run.after(benchmark).share for run in own]
            before = own[0].before(benchmark)
            found: dict[str, Any] = {"before": before and before.share, "after": after, "mean": fmean(after)}
            if selector != BASELINE and BASELINE in selectors:
                others = [by_arm[BASELINE, seed].after(benchmark).share for seed in seeds]
                minus = [one - other for one, other in zip(after, others, strict=True)]
                found |= {"minus_random": minus}
                found |= {"mean_minus_random": mean_over_seeds(minus)._asdict()} if len(minus) > 1 else {}
            arms[selector][benchmark] = found
    return {"seeds": list(seeds), "arms": arms}


def kept(run: Run) -> list[str]:
    """The ids that a run kept."""
    table = pq.read_table(run.folder / "scores.parquet", columns=["id", "kept"])
    return [row["id"] for row in table.to_pylist() if row["kept"]]


def dead_groups(run: Run) -> float:
    """The mean share of groups whose completions all had the same reward."""
    steps = [line for line in run.journal() if line["stage"] == "train" and line["event"] == "metrics"]
    return fmean(line["frac_reward_zero_std"] for line in steps if "frac_reward_zero_std" in line)


if __name__ == "__main__":
    main()
