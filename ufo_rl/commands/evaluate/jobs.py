"""One evaluation or several: checked together, each in a folder of its own that the same command finds again."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ufo_rl.config.compose import compose_jobs, tell
from ufo_rl.config.kinds import stated
from ufo_rl.config.schema import Config
from ufo_rl.errors import Problems
from ufo_rl.evaluation.shared import Asked, Evaluations
from ufo_rl.experiment.model_check import check_fetched
from ufo_rl.experiment.prepare import check_evaluation
from ufo_rl.experiment.provenance import describe
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.experiment.status import claimed
from ufo_rl.files.atomic import write_json, write_text
from ufo_rl.files.keys import digest
from ufo_rl.launch.follow import follow
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.records import Prompt
from ufo_rl.report import evaluation_table
from ufo_rl.report.metrics import evaluation_headline, evaluation_metrics
from ufo_rl.tracking.sink import open_run

NODES = ("model", "template", "eval", "engine", "grader")  # of the configuration: what an evaluation is about
Questions = dict[str, list[Prompt]]


def evaluate(overrides: Sequence[str], config_dir: str | None, config_name: str | None, multirun: bool) -> list[str]:
    """Evaluate the model, or with `multirun` each of several; returns their tables. UserError names all mistakes of all."""
    composed = compose_jobs(overrides, config_dir, config_name, multirun)
    jobs = [job.plain for job in composed]
    problems = Problems()
    checked: list[Any] = [problems.attempt(check_evaluation, plain) for plain in jobs]
    problems.raise_any()
    tell(composed)
    command = "ufo-rl evaluate " + shlex.join(overrides)
    return [_evaluate(found[0], found[1], plain, command) for found, plain in zip(checked, jobs, strict=True)]


def _evaluate(config: Config, questions: Questions, plain: dict[str, Any], command: str) -> str:
    folder = _folder(config, plain)
    if config.launch.node_rank > 0:
        return follow(folder, config.launch)
    with claimed(folder, "evaluation") as state:
        found = _measure(config, questions, plain, folder, state.enter, command)
        state.write("completed")
    model = f"{config.model.name} ({config.model.path}), template {config.template.name}"
    return f"{model}\n{evaluation_table(found)}\nAll answers: {folder}/eval/*/questions.parquet"


def _measure(
    config: Config,
    questions: Questions,
    plain: dict[str, Any],
    folder: Path,
    enter: Callable[[str], None],
    command: str,
) -> list[dict[str, Any]]:
    """Write down what is evaluated, measure it; returns the summaries of the benchmarks."""
    path, choices = folder / "evaluation.json", {"model": config.model.name, "engine": config.engine.name}
    record = describe(path, config.name, "evaluation", command, choices)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(plain)))
    write_json(path, record)
    about, outputs = {node: plain[node] for node in NODES}, Path(config.paths.outputs)
    cache = outputs / "cache"
    with open_run(plain["tracker"], record, about, outputs) as tracker:
        stages = Stages(folder, config.launch, record["attempt"], tracker.feed, enter)
        stages.begin()
        chat = ChatModel(config.model, config.template, cache / "fingerprints.json")
        check_fetched(config, chat, is_evaluation=True)
        asked = {
            name: Asked.of(benchmark, questions[name], config.grader, config.plugins, drawn_shots(name, config))
            for name, benchmark in config.eval.items()
        }
        evaluations = Evaluations(asked, chat, config.engine, cache, stages)
        found = [evaluations.final(name, chat.folder, step=0) for name in config.eval]
        for name in config.eval:
            tracker.questions(name, folder / "eval" / name / "questions.parquet")
        metrics = evaluation_metrics(found, stages.seconds())
        tracker.summary(evaluation_headline(metrics))
    write_json(folder / "metrics.json", metrics)
    shutil.rmtree(folder / ".work", ignore_errors=True)
    return found


def _folder(config: Config, plain: dict[str, Any]) -> Path:
    """outputs/evaluations/NAME/MODEL-hash: the same command again finds it."""
    nodes = stated(Config, {node: plain[node] for node in NODES})
    about = {**nodes, "engine": decides(config.engine.name, config.engine.vllm)}
    return Path(config.paths.outputs) / "evaluations" / config.name / f"{config.model.name}-{digest(about, 8)}"
