"""The Hydra application: all jobs validated, run by Hydra, and what became of them told.

Light on purpose: --help and --cfg must answer at once, so a job imports its work itself.
"""

from __future__ import annotations

import functools
import os
import re
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import hydra
from omegaconf import DictConfig, OmegaConf

from ufo_rl.commands import usages
from ufo_rl.config.compose import Job, compose_jobs, for_hydra, plain_config, tell
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.help import help_text
from ufo_rl.config.scheduler import asks_slurm, is_own_job
from ufo_rl.config.words import check_flags, parse_words
from ufo_rl.errors import Problems

HOME = re.compile(r"(?<![^=])~(?=/|$)")  # where the home folder stands in a flag: ~/conf, --config-dir=~/conf


def main(words: Sequence[str], begin: Callable[[], None] = lambda: None) -> int:
    """Validate all jobs of the command line, then let Hydra run them; 1 if any job did not complete. `begin` is called before
    the first of them."""
    parsed = parse_words(words)
    if parsed.help:
        sys.stdout.write(help_text(parsed.overrides, parsed.config_dir, parsed.config_name) + "\n")
        return 0
    flags = [HOME.sub(os.path.expanduser("~"), word) for word in words if word not in parsed.overrides]
    check_flags(parsed)
    if parsed.hydra_help or parsed.shell_completion:
        sys.argv[1:] = [*flags, *parsed.overrides]
        start()
        return 0
    jobs = compose_jobs(parsed.overrides, parsed.config_dir, parsed.config_name, parsed.multirun)
    # Hydra alone refuses flags between overrides
    sys.argv[1:] = [*flags, *for_hydra(parsed.overrides, parsed.config_dir, parsed.config_name)]
    sys.argv += jobs[0].choice.added  # the same for all
    if parsed.cfg or parsed.info:
        start()
        return 0
    check_jobs(jobs)
    tell(jobs)
    from ufo_rl.experiment.copies import leading
    from ufo_rl.experiment.made import collected
    from ufo_rl.experiment.planned import announce

    begin()
    if any(asks_slurm(job.plain) for job in jobs) and not is_own_job(os.environ):
        return on_cluster(jobs, words)
    outputs = Path(os.path.expanduser(jobs[0].plain["paths"]["outputs"]))
    with leading(outputs, words, os.environ, jobs[0].plain["launch"]["num_nodes"]) as is_first:
        if not is_first:
            return 0
        if not is_own_job(os.environ):  # else who submitted the job has, with the words of the user
            announce(jobs, words)
        with collected(outputs) as made:
            start()
            return outcome(jobs, made.folders())


def check_jobs(jobs: Sequence[Job]) -> None:
    """UserError with everything that is wrong with any of them, before the first starts."""
    from ufo_rl.config.identity import identity, run_id
    from ufo_rl.experiment.prepare import check
    from ufo_rl.experiment.surroundings import check_folder, check_machine

    problems, seen = Problems(), dict[Path, Job]()
    for job in jobs:
        if job.is_here:
            training = functools.partial(check_machine, trains=True)
            problems.attempt(training, job.plain, identity(job.plain).get("signal") or {})
        problems.attempt(job.check_model)
        problems.attempt(check, job.plain)
    if not problems.found:
        for job in jobs:
            problems.attempt(check_folder, job.folder, job.plain)
            first = seen.setdefault(job.folder, job)
            if run_id(first.plain) != run_id(job.plain):
                problems.add(
                    f"hydra.sweep.subdir: {first.words} and {job.words} would both be in {job.folder}, and only one would run; "
                    "name the folders by ${run_id:} or ${hydra.job.num}"
                )
    problems.raise_any()


def start() -> None:
    """Run Hydra on sys.argv."""
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(job)()


def job(cfg: DictConfig) -> float | None:
    """What Hydra calls for each job: the accuracy of the first benchmark after training, None if the run failed."""
    from ufo_rl.experiment.life import experiment

    return experiment(plain_config(cfg))


def on_cluster(jobs: Sequence[Job], words: Sequence[str]) -> int:
    """Let SLURM run the jobs, and wait for them; 1 if any did not complete."""
    from ufo_rl.cluster.jobs import run_jobs
    from ufo_rl.report import summary

    ends = run_jobs(jobs, words)
    if len(jobs) == 1 and jobs[0].folder.absolute() not in ends:
        sys.stdout.write(f"{summary(jobs[0].folder)}\n")
    return outcome(jobs, {number: job.folder.absolute() for number, job in enumerate(jobs)}, ends)


def outcome(jobs: Sequence[Job], made: Mapping[int, Path], ends: Mapping[Path, str] = MappingProxyType({})) -> int:
    """What became of the jobs: the arms of a sweep in one table, each failed job with its reason, and with what `ends` says of
    its folder."""
    from ufo_rl.experiment.status import Status
    from ufo_rl.report import compare, ledger_table
    from ufo_rl.report.ledger.entries import entries_of

    folders = list(dict.fromkeys(made.values()))
    failed = [
        f"{folder} did not complete: {Status(folder).error()}{ends.get(folder, '')}"
        for folder in folders
        if not Status(folder).is_completed()
    ]
    failed += [
        f"{folder} was not run again: its results are of before{ends[folder]}"
        for folder in folders
        if folder in ends and Status(folder).is_completed()
    ]
    if not jobs[0].is_sample:
        failed += [f"job {number} ({job.words}) never started" for number, job in enumerate(jobs) if number not in made]
    if len(folders) > 1:
        sys.stdout.write(f"\n{compare(folders)}\n\n{ledger_table(entries_of(folders))}\n")
    for problem in failed:
        sys.stderr.write(f"ufo-rl: {problem}\n")
    return 1 if failed or not made else 0


OmegaConf.register_new_resolver("commands", usages, replace=True)  # ${commands:} in the text of --help

if __name__ == "__main__":
    runpy.run_module("ufo_rl.cli", run_name="__main__")
