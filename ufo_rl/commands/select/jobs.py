"""One selection or several: checked together, each in a folder of its own that the same command finds again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.commands.score.jobs import NODES, about_pool
from ufo_rl.config.compose import Job
from ufo_rl.config.identity import decisive, run_choices
from ufo_rl.config.schema import Config
from ufo_rl.experiment.apart import Apart, checked_jobs
from ufo_rl.experiment.before_training import BeforeTraining
from ufo_rl.experiment.data import whole_benchmarks
from ufo_rl.experiment.prepare import Prepared, check_selection
from ufo_rl.files.atomic import write_json
from ufo_rl.files.keys import digest
from ufo_rl.files.row_writer import row_writer
from ufo_rl.launch.follow import follow
from ufo_rl.model.chat import ChatModel
from ufo_rl.records import OWN, Prompt
from ufo_rl.report.quantiles import costs_told
from ufo_rl.report.text import percent
from ufo_rl.selector.cut import Selection
from ufo_rl.selector.score_table import free_names

CHOICE = ("selector", "ratio", "seed")


def select_prompts(
    overrides: Sequence[str], config_dir: str | None, config_name: str | None, multirun: bool
) -> list[str]:
    """Select from a pool, or with `multirun` in each of several ways; returns what came out as text. UserError names all
    mistakes of all."""
    jobs = checked_jobs(overrides, config_dir, config_name, multirun, _check)
    return [_select(job, *checked) for job, checked in jobs]


def _check(job: Job) -> tuple[Config, Prepared, list[str]]:
    job.check_model("dataset")
    return check_selection(job.plain, None)


def _select(job: Job, config: Config, prepared: Prepared, names: list[str]) -> str:
    folder = _folder(config, job, names)
    if config.launch.node_rank > 0:
        return follow(folder, config.launch)
    work = Apart("select", folder, config, job.plain, job.program("ufo-rl select"), job.overrides, (*NODES, *CHOICE))
    with work.begun() as (tracker, attempt, enter):
        stages = BeforeTraining(config, job.plain, folder, prepared, tracker, attempt, enter)
        stages.begin(names)
        stages.narrow(whole_benchmarks(config) if config.contamination.remove else {})
        signals = stages.signals()
        costs = {name: signals.collect(name) for name in names}
        selection = stages.select(signals, stages.columns(signals))
        with row_writer(folder / "selected.jsonl", None) as write:
            write(list(_rows(stages.kept(selection), stages.chat, config.dataset.get("name", "custom"))))
        counts = {"num_pool": selection.num_pool, "num_selected": len(selection.ids)}
        write_json(folder / "summary.json", {**counts, "signals": costs, "seconds": stages.stages.seconds()})
        tracker.summary({**counts, "seconds": stages.stages.seconds()})
    lines = [_told(config, selection), *costs_told(costs), f"The kept prompts: {folder}/selected.jsonl"]
    return "\n".join([*lines, f"Every prompt with its scores: {folder}/scores.parquet"])


def _rows(prompts: Sequence[Prompt], chat: ChatModel, dataset: str) -> Iterator[dict[str, Any]]:
    """What training is given of each kept prompt (TRL's `prompt`: chat messages, or a text where the template's layout is
    one; and every column), and the two columns that verl asks for, unless the dataset has them. A column of the dataset's
    that is called `prompt` is `prompt_given`."""
    for prompt in prompts:
        ours = {**{name: getattr(prompt, name) for name in OWN}, "prompt": chat.training_prompt(prompt)}
        brought = {new: prompt.columns[name] for name, new in free_names(prompt.columns, ours).items()}
        verl = {"data_source": dataset, "reward_model": {"style": "rule", "ground_truth": prompt.answer}}
        yield {**verl, **ours, **brought}


def _told(config: Config, selection: Selection) -> str:
    name, kept = config.selector.get("name", "custom"), len(selection.ids)
    told = f"{kept:,} of {selection.num_pool:,} prompts kept by selector {name}, seed {config.seed}"
    if selection.tie_share:
        told += f"; ties decided {percent(selection.tie_share)} % of the kept"
    return told + (f"; {selection.near_cut} could change sides within 1e-5" if selection.near_cut else "")


def _folder(config: Config, job: Job, names: Sequence[str]) -> Path:
    """outputs/selections/NAME/MODEL-DATASET-SELECTOR-RATIO-sSEED-hash: the same command again finds it."""
    kept = decisive(job.plain)
    about = {**about_pool(job, names), **{node: kept[node] for node in CHOICE}}
    name = f"{run_choices(job.plain)}-{digest(about, 8)}"
    return Path(config.paths.outputs) / "selections" / config.name / name
