"""`ufo-rl evaluate`: models on benchmarks, without any training. Shares completions and results with all runs."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.schema import Config
from ufo_rl.errors import Problems, StageFailed, UserError
from ufo_rl.evaluation.cached import Evaluations
from ufo_rl.experiment.life import Status, describe
from ufo_rl.experiment.prepare import check_evaluation
from ufo_rl.files.atomic import locked, write_json, write_text
from ufo_rl.files.journal import Journal
from ufo_rl.files.keys import digest
from ufo_rl.launch.context import RunContext
from ufo_rl.launch.follow import follow
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.records import Prompt
from ufo_rl.report import evaluation_table
from ufo_rl.tracking.sink import open_run

HEADLINE = ("accuracy", "n", "is_subset")  # W&B's sortable columns: math500_accuracy and so on
NODES = ("model", "template", "eval", "engine", "reward")  # of the configuration: what an evaluation is about


def evaluate(overrides: Sequence[str], config_dir: str | None, config_name: str | None, multirun: bool) -> list[str]:
    """Evaluate the model, or with `multirun` each of several; returns their tables. UserError names all mistakes of all."""
    jobs = [job.plain for job in compose_jobs(overrides, config_dir, config_name, multirun)]
    problems = Problems()
    checked = [problems.attempt(check_evaluation, plain) for plain in jobs]
    problems.raise_any()
    command = "ufo-rl evaluate " + shlex.join(overrides)
    return [_evaluate(found, plain, command) for found, plain in zip(checked, jobs, strict=True)]


def _evaluate(checked: tuple[Config, dict[str, list[Prompt]]], plain: dict[str, Any], command: str) -> str:
    config, questions = checked
    folder = _folder(config, plain)
    if config.launch.node_rank > 0:
        return follow(folder, config.launch)
    state = Status(folder)
    with locked(folder / ".lock", f"the evaluation {folder.name}"):
        try:
            found = _run(config, questions, plain, folder, state, command)
        except KeyboardInterrupt:
            state.fail("interrupted")
            raise
        except (UserError, StageFailed) as error:
            state.fail(str(error).splitlines()[0])
            raise
        state.write("completed")
    model = f"{config.model.name} ({config.model.path}), template {config.template.name}"
    return f"{model}\n{evaluation_table(found)}\nAll answers: {folder}/eval/*/questions.parquet"


def _run(
    config: Config,
    questions: dict[str, list[Prompt]],
    plain: dict[str, Any],
    folder: Path,
    state: Status,
    command: str,
) -> list[dict[str, Any]]:
    path, choices = folder / "evaluation.json", {"model": config.model.name, "engine": config.engine.name}
    record = describe(path, config.name, "evaluation", command, choices)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(plain)))
    write_json(path, record)
    about = {node: plain[node] for node in NODES}
    with open_run(plain["tracker"], record, about, Path(config.paths.outputs)) as tracker:
        run = RunContext(config, plain, folder, tracker, record["attempt"], state.enter)
        Journal(run.journal, "run", run.attempt).write("begin")
        evaluations = Evaluations(run, questions)
        found = [evaluations.final(name, run.model_folder, step=0) for name in config.eval]
        tracker.summary({one["benchmark"]: {name: one[name] for name in HEADLINE} for one in found})
    write_json(folder / "metrics.json", {"benchmarks": found, "seconds": run.seconds()})
    shutil.rmtree(folder / ".work", ignore_errors=True)
    return found


def _folder(config: Config, plain: dict[str, Any]) -> Path:
    """outputs/evaluations/NAME/MODEL-hash: the same command again finds it."""
    about = {node: plain[node] for node in NODES}
    about["engine"], about["reward"] = decides(config.engine.name, config.engine.vllm), plain["reward"]["grader"]
    return Path(config.paths.outputs) / "evaluations" / config.name / f"{config.model.name}-{digest(about, 8)}"
