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
            # relative, as the command line is kept in the records
            failed |= ufo("-cd", "sweeps", "-cn", name, f"seed={seed}", f"paths.outputs={options.outputs}")
            failed |= ufo("record", f"{options.outputs}/sweeps/{name}", "--to", f"sweeps/results/{name}")
    return failed


def ufo(*words: str) -> int:
    """Exit status of a command, run in the repository's folder."""
    sys.stdout.write(f"ufo-rl {' '.join(words)}\n")
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "ufo_rl.cli", *words], check=False, cwd=HERE).returncode


def is_recorded(name: str, job: Job) -> bool:
    return (RESULTS / name / f"{job.folder.name}{ENDING}").is_file()


if __name__ == "__main__":
    sys.exit(main())
