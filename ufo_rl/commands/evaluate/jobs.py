"""One evaluation or several: checked together, each in a folder of its own that the same command finds again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ufo_rl.config.compose import Job
from ufo_rl.config.kinds import stated
from ufo_rl.config.schema import Config
from ufo_rl.evaluation.shared import Asked, Evaluations
from ufo_rl.experiment.apart import Apart, checked_jobs
from ufo_rl.experiment.lengths import check_lengths
from ufo_rl.experiment.model_check import check_fetched
from ufo_rl.experiment.prepare import check_evaluation
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.experiment.surroundings import check_machine, templates_in_use
from ufo_rl.files.atomic import write_json
from ufo_rl.files.keys import digest
from ufo_rl.launch.follow import follow
from ufo_rl.launch.stages import Stages
from ufo_rl.model.chat import ChatModel
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.records import Prompt
from ufo_rl.report import evaluation_table
from ufo_rl.report.metrics import evaluation_headline, evaluation_metrics

NODES = ("model", "template", "eval", "engine", "grader")  # of the configuration: what an evaluation is about
Questions = dict[str, list[Prompt]]


def evaluate(overrides: Sequence[str], config_dir: str | None, config_name: str | None, multirun: bool) -> list[str]:
    """Evaluate the model, or with `multirun` each of several; returns their tables. UserError names all mistakes of all."""
    jobs = checked_jobs(overrides, config_dir, config_name, multirun, _checked)
    return [_evaluate(*checked, job) for job, checked in jobs]


def _checked(job: Job) -> tuple[Config, Questions]:
    job.check_model("eval")
    check_machine(job.plain)
    return check_evaluation(job.plain)


def _evaluate(config: Config, questions: Questions, job: Job) -> str:
    folder = _folder(config, job.plain)
    if config.launch.node_rank > 0:
        return follow(folder, config.launch)
    found = _measure(
        config,
        questions,
        Apart("evaluation", folder, config, job.plain, job.program("ufo-rl evaluate"), job.overrides, NODES),
    )
    templates = dict.fromkeys(one.name for one in templates_in_use(config, (), is_evaluation=True).values())
    model = f"{config.model.name} ({config.model.path}), template {', '.join(templates)}"
    return f"{model}\n{evaluation_table(found)}\nAll answers: {folder}/eval/*/questions.parquet"


def _measure(config: Config, questions: Questions, work: Apart) -> list[dict[str, Any]]:
    """Returns the summaries of the benchmarks."""
    folder, cache = work.folder, Path(config.paths.outputs) / "cache"
    with work.begun() as (tracker, attempt, enter):
        stages = Stages(folder, config.launch, attempt, tracker.feed, enter)
        stages.begin()
        chat = ChatModel(config.model, config.template, cache / "fingerprints.json")
        check_fetched(config, chat, is_evaluation=True)
        check_lengths(config, (), questions, {}, chat)
        asked = {
            name: Asked.of(benchmark, questions[name], config.grader, config.plugins, drawn_shots(name, config))
            for name, benchmark in config.eval.items()
        }
        evaluations = Evaluations(asked, chat, config.engine, cache, stages)
        found = [evaluations.final(name, chat.folder, step=0) for name in config.eval]
        for name in config.eval:
            tracker.questions(name, folder / "eval" / name / "questions.parquet")
        metrics = evaluation_metrics(found, stages.seconds(), stages.phases())
        tracker.summary(evaluation_headline(metrics))
        write_json(folder / "metrics.json", metrics)
    return found


def _folder(config: Config, plain: dict[str, Any]) -> Path:
    """outputs/evaluations/NAME/MODEL-hash: the same command again finds it."""
    nodes = stated(Config, {node: plain[node] for node in NODES})
    about = {**nodes, "engine": decides(config.engine.name, config.engine.vllm)}
    return Path(config.paths.outputs) / "evaluations" / config.name / f"{config.model.name}-{digest(about, 8)}"
