"""One experiment: claim the run folder, run the pipeline, write down what became of it."""

from __future__ import annotations

import hashlib
import itertools
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from ufo_rl.config.identity import cell_id, run_name
from ufo_rl.config.load import load
from ufo_rl.config.optional import ask
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.experiment.made import has_failed, tell_failed, tell_folder
from ufo_rl.experiment.pipeline import Pipeline
from ufo_rl.experiment.planned import recorded
from ufo_rl.experiment.prepare import Prepared, prepare
from ufo_rl.experiment.provenance import describe
from ufo_rl.experiment.status import Status, claimed
from ufo_rl.experiment.surroundings import check_folder
from ufo_rl.files.atomic import write_json, write_text
from ufo_rl.files.keys import digest
from ufo_rl.launch.follow import follow
from ufo_rl.model.weights import fingerprint, local_folder
from ufo_rl.report import summary
from ufo_rl.report.comparing.siblings import gains
from ufo_rl.report.disk.run_folders import read_metrics
from ufo_rl.report.metrics import headline
from ufo_rl.report.page.of_run import save_figures
from ufo_rl.tracking.begin import open_run
from ufo_rl.tracking.sink import Tracker
from ufo_rl.training.kept import leave_weights

log = logging.getLogger(__name__)


def experiment(plain: dict[str, Any]) -> float | None:
    """One run in Hydra's output folder. Returns the accuracy of the first benchmark, None if the run failed.

    A failure is written down (status.json, error.txt) and told in a line; the sweep goes on, and the command ends in status 1
    (run.py)."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    config = load(plain)
    try:
        check_folder(folder, plain)
        tell_folder(folder)
        if config.fail_fast and has_failed():
            log.info("%s: not started, as another job has failed (fail_fast=true)", folder.name)
            return None
        return run_in(folder, config, plain)
    except UserError as error:
        for problem in error.problems:
            log.error("%s", problem)
    except Exception as error:
        log.error("%s failed: %s (all of it: %s)", folder.name, error, folder / "error.txt")
    tell_failed()
    return None


def run_in(folder: Path, config: Config, plain: dict[str, Any]) -> float | None:
    """The run that the folder is for; None where the first host's failed."""
    if config.launch.node_rank > 0:  # this host serves the leader's stages; what it finds out is told there
        return first_accuracy(folder, config) if follow(folder, config.launch) == "completed" else None
    with claimed(folder, "run") as state:
        try:
            prepared = prepare(config)
            inputs = inputs_key(config, prepared)
        except Exception as error:
            with suppress(Exception), begun(config, plain, folder, state):
                raise error  # who looks at W&B alone sees it fail there too
            raise
        if state.is_completed(inputs) and not config.force:
            state.path.touch()  # hosts that follow see that nothing will come
            log.info("%s: done before; force=true runs it again", folder.name)
        else:
            execute(config, plain, folder, state, prepared, inputs)
        return first_accuracy(folder, config)


def first_accuracy(folder: Path, config: Config) -> float:
    """Of the trained model on the first benchmark: what Hydra hands to a sweeper."""
    first = next(iter(config.eval))
    return read_metrics(folder, config.eval)["eval"][first]["final"]["accuracy"]


def inputs_key(config: Config, prepared: Prepared) -> str:
    """What the configuration names but does not hold: prompts and questions with all their fields, local weights, files of
    signals. A run is done for these."""
    local = local_folder(config.model)
    memo = Path(config.paths.outputs) / "cache" / "fingerprints.json"
    pools = [prepared.pool.prompts, *prepared.benchmarks.values()]
    content = hashlib.sha256()
    for prompt in itertools.chain(*pools):  # one at a time: a pool can be large
        content.update(digest(astuple(prompt)).encode())
    weights = fingerprint(local, memo) if local else None
    files = [ask(signal, "inputs") for signal in prepared.signals_of_selector()]
    return digest([content.hexdigest(), [len(pool) for pool in pools], weights, files])


def execute(
    config: Config, plain: dict[str, Any], folder: Path, state: Status, prepared: Prepared, inputs: str
) -> None:
    """Write down who the run is and run all stages."""
    log.info("run %s", folder)
    with begun(config, plain, folder, state) as (tracker, attempt):
        pipeline = Pipeline(config, plain, folder, prepared, tracker, attempt, state.enter)
        if config.force:
            pipeline.clear()
        metrics = pipeline.run()
        tracker.summary(headline(metrics))
        if tracker.is_on:
            show(tracker, folder)
    state.write("completed", inputs=inputs)
    leave_weights(folder / "train", config.train)
    log.info("done in %.0f s\n%s", metrics["seconds"]["total"], summary(folder))


def show(tracker: Tracker, folder: Path) -> None:
    """What the results say beside the baseline's, and their figures. The run is done: nothing that goes wrong here loses it."""
    try:
        tracker.summary(gains(folder))
        tracker.figures(save_figures(folder))
    except Exception as error:
        log.warning("W&B gets no figures of this run: %s: %s", type(error).__name__, error)


@contextmanager
def begun(config: Config, plain: dict[str, Any], folder: Path, state: Status) -> Iterator[tuple[Tracker, int]]:
    """An attempt of the run: written down, open in W&B. Which one it is."""
    (folder / "error.txt").unlink(missing_ok=True)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(plain)))
    record = run_record(config, plain, folder)
    write_json(folder / "run.json", record)
    state.write("running")
    with open_run(plain["tracker"], record, plain, Path(config.paths.outputs)) as tracker:
        yield tracker, record["attempt"]


def run_record(config: Config, plain: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What run.json says: who this run is and what it was made with. A restart keeps the W&B id."""
    choices = {k: v for k, v in HydraConfig.get().runtime.choices.items() if not k.startswith("hydra/")}
    overrides = list(HydraConfig.get().overrides.task)
    path = folder / "run.json"
    shown, command = run_name(plain, overrides), recorded(path).get("command") or shlex.join(["ufo-rl", *overrides])
    record = describe(path, config.name, "pipeline", command, choices, shown, config.launch)
    return {**record, "cell_id": cell_id(plain), **{key: plain["tracker"][key] for key in ("entity", "project")}}
