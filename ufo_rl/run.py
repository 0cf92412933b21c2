"""The Hydra application: all jobs validated, run by Hydra, and what became of them told.

Light on purpose: --help and --cfg must answer at once, so a job imports its work itself.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from ufo_rl.commands import usages
from ufo_rl.config.compose import compose_jobs, plain_config, tell
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.help import help_text
from ufo_rl.config.open_nodes import freely
from ufo_rl.config.words import parse_words
from ufo_rl.errors import Problems, UserError


def main(words: Sequence[str]) -> int:
    """Validate all jobs of the command line, then let Hydra run them; 1 if any job did not complete."""
    parsed = parse_words(words)
    if parsed.help:
        sys.stdout.write(help_text(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
        return 0
    flags = [word for word in words if word not in parsed.overrides]
    sys.argv[1:] = [*flags, *freely(parsed.overrides)]  # Hydra alone refuses flags between overrides
    if parsed.hydra_help or parsed.shell_completion or parsed.info:
        start()
        return 0
    if parsed.config_path:
        raise UserError("--config-path replaces all of conf/; add a folder of your own with --config-dir")
    if parsed.cfg:
        if parsed.multirun:
            raise UserError("--cfg shows one configuration: leave -m out, and give one value per key")
        (shown,) = compose_jobs(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
        sys.argv += shown.choice.added
        start()
        return 0
    from ufo_rl.experiment.prepare import check

    jobs = compose_jobs(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    problems = Problems()
    for job_to_be in jobs:
        problems.attempt(job_to_be.check_model)
        problems.attempt(check, job_to_be.plain)
    problems.raise_any()
    sys.argv += jobs[0].choice.added  # the same for all: Hydra composes again
    tell(jobs)
    start()
    return outcome([job_to_be.folder for job_to_be in jobs])


def start() -> None:
    """Run Hydra on sys.argv."""
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(job)()


def job(cfg: DictConfig) -> float | None:
    """What Hydra calls for each job: the accuracy of the first benchmark after training, None if the run failed."""
    from ufo_rl.experiment.life import experiment

    return experiment(plain_config(cfg))


def outcome(folders: Sequence[Path]) -> int:
    """What became of the jobs: the arms of a sweep in one table, each failed job with its reason."""
    from ufo_rl.experiment.status import Status
    from ufo_rl.report import compare

    unique = list(dict.fromkeys(folders))
    failed = [folder for folder in unique if not Status(folder).is_completed()]
    if len(unique) > 1:
        sys.stdout.write(f"\n{compare(unique)}\n")
    for folder in failed:
        sys.stderr.write(f"ufo-rl: {folder} did not complete: {Status(folder).error()}\n")
    return 1 if failed else 0


OmegaConf.register_new_resolver("commands", usages, replace=True)  # ${commands:} in the text of --help

if __name__ == "__main__":
    runpy.run_module("ufo_rl.cli", run_name="__main__")
