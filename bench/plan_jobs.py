"""How long `ufo-rl plan` takes for 24 jobs, each time in a process of its own.

    python bench/plan_jobs.py

Writes plan_jobs.json: seconds on the wall clock and of the process's CPU time, the least of three. UFO_RL_DATA adds the
paper's jobs with their data here.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = ("-m", "selector=ufo,random,full", "ratio=05pct,10pct", "seed=0,1,2,3")
CASES = {
    "the embedded lab": ({}, ("model=tiny-rules", *SWEEP)),
    "experiment=paper, nothing here": ({"UFO_RL_DATA": ""}, ("experiment=paper", "--gpu", "h100", *SWEEP)),
    "experiment=paper, its data here": (None, ("experiment=paper", "--gpu", "h100", *SWEEP)),
}
TIMES = 3


def main() -> None:
    found = {}
    for name, (changed, words) in CASES.items():
        if changed is None and not os.environ.get("UFO_RL_DATA"):
            continue
        runs = [timed(words, changed or {}) for _ in range(TIMES)]
        found[name] = {key: round(min(run[key] for run in runs), 2) for key in ("wall_s", "cpu_s")}
        found[name]["jobs"] = runs[0]["jobs"]
        sys.stdout.write(f"{name}: {found[name]}\n")
    found["machine"] = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def timed(words: tuple[str, ...], changed: dict[str, str]) -> dict[str, float]:
    environment = {key: value for key, value in {**os.environ, **changed}.items() if value}
    with tempfile.TemporaryDirectory() as folder:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "ufo_rl.cli", "plan", *words, "--json", "plan.json"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        jobs = len(json.loads(Path(folder, "plan.json").read_text()))
    return {"wall_s": wall, "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "jobs": jobs}


if __name__ == "__main__":
    main()
