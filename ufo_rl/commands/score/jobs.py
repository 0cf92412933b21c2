"""One scoring or several: checked together, each in a folder of its own that the same command finds again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ufo_rl.config.compose import Job
from ufo_rl.config.identity import decisive
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.experiment.apart import Apart, checked_jobs
from ufo_rl.experiment.before_training import BeforeTraining
from ufo_rl.experiment.data import whole_benchmarks
from ufo_rl.experiment.prepare import Prepared, check_selection
from ufo_rl.files.atomic import write_json
from ufo_rl.files.keys import digest
from ufo_rl.launch.follow import follow
from ufo_rl.report.quantiles import costs_told, measures, measures_table

NODES = ("model", "template", "dataset", "signal", "grader", "engine")  # of the configuration: what scores are about


def score(overrides: Sequence[str], config_dir: str | None, config_name: str | None, multirun: bool) -> list[str]:
    """Measure the signals of a pool, or with `multirun` of each of several; returns what came out as text. UserError names
    all mistakes of all."""
    jobs = checked_jobs(overrides, config_dir, config_name, multirun, _check)
    return [_score(job, *checked) for job, checked in jobs]


def _check(job: Job) -> tuple[Config, Prepared, list[str]]:
    """Measured are the signals that the command line names, else those that the selector needs: by default that is one
    forward pass a prompt, where all that are configured would be 16 samples more."""
    job.check_model("dataset")
    are_named = any(word.lstrip("+").partition("=")[0] == "signal" for word in job.overrides)
    config, prepared, names = check_selection(job.plain, list(job.plain.get("signal") or {}) if are_named else None)
    if not names:
        why = "signal=[] names none" if are_named else f"selector={config.selector.get('name')} needs none"
        choice = f"signal=[{','.join(config.signal or ['confidence'])}]"
        raise UserError(f"score: no signal to measure ({why}); name {choice}")
    return config, prepared, names


def _score(job: Job, config: Config, prepared: Prepared, names: list[str]) -> str:
    folder = _folder(config, job, names)
    if config.launch.node_rank > 0:
        return follow(folder, config.launch)
    work = Apart("score", folder, config, job.plain, job.program("ufo-rl score"), job.overrides, NODES)
    with work.begun() as (tracker, attempt, enter):
        stages = BeforeTraining(config, job.plain, folder, prepared, tracker, attempt, enter)
        stages.begin(names)
        stages.narrow(whole_benchmarks(config) if config.contamination.remove else {})
        signals = stages.signals()
        costs = {name: signals.collect(name) for name in names}
        columns = stages.columns(signals, names)
        stages.write_scores(signals, columns)
        found = measures(columns, [name for own in names for name in prepared.signals[own].columns])
        seconds, num_pool = stages.stages.seconds(), len(stages.pool.prompts)
        summary = {"num_pool": num_pool, "measures": found, "signals": costs, "seconds": seconds}
        write_json(folder / "summary.json", summary)
        tracker.summary({"num_pool": num_pool, "seconds": seconds, **found})
    about = f"{num_pool:,} prompts of {config.dataset.get('name', 'custom')}, model {config.model.name} ({config.model.path})"
    lines = [f"{about}, template {config.template.name}", measures_table(found), *costs_told(costs)]
    return "\n".join([*lines, f"Every prompt with its scores: {folder}/scores.parquet"])


def _folder(config: Config, job: Job, names: Sequence[str]) -> Path:
    """outputs/scores/NAME/MODEL-DATASET-hash: the same command again finds it."""
    name = f"{config.model.name}-{config.dataset.get('name', 'custom')}-{digest(about_pool(job, names), 8)}"
    return Path(config.paths.outputs) / "scores" / config.name / name


def about_pool(job: Job, names: Sequence[str]) -> dict[str, object]:
    """What decides the numbers: the pool, who is asked, and what."""
    kept = decisive(job.plain)
    about = {node: kept[node] for node in NODES if node in kept}
    about["signal"] = {name: node for name, node in kept["signal"].items() if name in names}
    about["max_prompt_tokens"] = kept["train"]["max_prompt_tokens"]
    if kept["contamination"]["remove"]:
        about |= {"contamination": kept["contamination"], "eval": {k: v["dataset"] for k, v in kept["eval"].items()}}
    return about
