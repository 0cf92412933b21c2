"""The paper replayed on the lab: sweeps run seed by seed, every finished run recorded below sweeps/results/.

    python bench/replay.py selectors ratio bins targets bakeoff [--outputs FOLDER]

What is recorded is not run again, also where outputs/ was lost: it can be stopped at any time and goes on. The tables of
sweeps/README.md are `ufo-rl compare sweeps/results/NAME`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from ufo_rl.config.compose import Job, compose_jobs
from ufo_rl.report.disk.kept_record import ENDING

HERE = Path(__file__).resolve().parent.parent
RESULTS = HERE / "sweeps/results"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", metavar="NAME")
    parser.add_argument("--outputs", default="outputs")
    options = parser.parse_args()
    failed = 0
    for name in options.sweeps:
        jobs = compose_jobs([f"paths.outputs={options.outputs}"], str(HERE / "sweeps"), name)
        seeds = sorted({job.plain["seed"] for job in jobs if not is_recorded(name, job)})
        for seed in seeds:
            command = [
                "ufo-rl",
                "-cd",
                str(HERE / "sweeps"),
                "-cn",
                name,
                f"seed={seed}",
                f"paths.outputs={options.outputs}",
            ]
            sys.stdout.write(f"{' '.join(command)}\n")
            sys.stdout.flush()
            failed |= subprocess.run([sys.executable, "-m", "ufo_rl.cli", *command[1:]], check=False).returncode
            record = ["record", f"{options.outputs}/sweeps/{name}", "--to", str(RESULTS / name)]
            subprocess.run([sys.executable, "-m", "ufo_rl.cli", *record], check=True)
    return failed


def is_recorded(name: str, job: Job) -> bool:
    return (RESULTS / name / f"{job.folder.name}{ENDING}").is_file()


if __name__ == "__main__":
    sys.exit(main())
