"""One experiment: claim the run folder, run the pipeline, write down what became of it."""

from __future__ import annotations

import hashlib
import itertools
import logging
import shlex
import time
import traceback
import uuid
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from ufo_rl.config.identity import cell_id
from ufo_rl.config.load import load
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import Prepared, prepare
from ufo_rl.files import environment
from ufo_rl.files.atomic import locked, read_json, write_json, write_text
from ufo_rl.files.keys import digest
from ufo_rl.model.weights import fingerprint, local_folder
from ufo_rl.report.metrics import headline
from ufo_rl.report.reader import read_metrics

log = logging.getLogger(__name__)


def experiment(plain: dict[str, Any]) -> float | None:
    """One run in Hydra's output folder. Returns the accuracy of the first benchmark, None if the run failed.

    A failure is written down (status.json, error.txt) and told in a line; the sweep goes on, and the command ends in
    status 1 (cli.py).
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    if plain["launch"]["node_rank"] > 0:
        return follow_leader(folder, plain)
    state = Status(folder)
    try:
        with locked(folder / ".lock", f"the run {folder.name}"):
            config = load(plain)
            prepared = prepare(config)
            inputs = inputs_key(config, prepared)
            if state.is_completed(inputs) and not config.force:
                state.path.touch()  # hosts that follow see that nothing will come
                log.info("%s: done before; force=true runs it again", folder.name)
            else:
                execute(config, plain, folder, state, prepared, inputs)
            return first_accuracy(folder, config)
    except KeyboardInterrupt:
        state.fail("interrupted")
        raise
    except UserError as error:
        state.fail(error.problems[0])
        for problem in error.problems:
            log.error("%s", problem)
    except Exception as error:
        state.fail(str(error).splitlines()[0] if str(error) else repr(error))
        with suppress(UserError, OSError):
            write_text(folder / "error.txt", traceback.format_exc())
        log.error("%s failed: %s (all of it: %s)", folder.name, error, folder / "error.txt")
    return None


def follow_leader(folder: Path, plain: dict[str, Any]) -> float | None:
    """A host that is not the first: serve the leader's stages; what it finds out is told there."""
    from ufo_rl.launch.follow import follow

    config = load(plain)
    if follow(folder, config.launch) != "completed":
        return None
    return first_accuracy(folder, config)


def first_accuracy(folder: Path, config: Config) -> float:
    """Of the trained model on the first benchmark: what Hydra hands to a sweeper."""
    first = next(iter(config.eval))
    return read_metrics(folder, config.eval)["eval"][first]["final"]["accuracy"]


def inputs_key(config: Config, prepared: Prepared) -> str:
    """What the configuration names but does not hold: prompts and questions with all their fields, local weights, rollouts. A
    run is done for these."""
    local = local_folder(config.model)
    memo = Path(config.paths.outputs) / "cache" / "fingerprints.json"
    pools = [prepared.pool.prompts, *prepared.benchmarks.values()]
    content = hashlib.sha256()
    for prompt in itertools.chain(*pools):  # one at a time: a pool can be large
        content.update(digest(astuple(prompt)).encode())
    weights = fingerprint(local, memo) if local else None
    rollouts = prepared.rollouts.key if prepared.rollouts else None
    return digest([content.hexdigest(), [len(pool) for pool in pools], weights, rollouts])


def execute(
    config: Config, plain: dict[str, Any], folder: Path, state: Status, prepared: Prepared, inputs: str
) -> None:
    """Write down who the run is and run all stages."""
    from ufo_rl.experiment.pipeline import Pipeline
    from ufo_rl.report import summary
    from ufo_rl.tracking.sink import open_run

    (folder / "error.txt").unlink(missing_ok=True)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(plain)))
    record = run_record(config, plain, folder)
    write_json(folder / "run.json", record)
    state.write("running")
    log.info("run %s", folder)
    with open_run(plain["tracker"], record, plain, Path(config.paths.outputs)) as tracker:
        pipeline = Pipeline(config, plain, folder, prepared, tracker, record["attempt"], state.enter)
        if config.force:
            pipeline.clear()
        metrics = pipeline.run()
        tracker.summary(headline(metrics))
    state.write("completed", inputs=inputs)
    log.info("done in %.0f s\n%s", metrics["seconds"]["total"], summary(folder))


def run_record(config: Config, plain: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What run.json says: who this run is and what it was made with. A restart keeps the W&B id."""
    choices = {k: v for k, v in HydraConfig.get().runtime.choices.items() if not k.startswith("hydra/")}
    command = "ufo-rl " + shlex.join(HydraConfig.get().overrides.task)
    record = describe(folder / "run.json", config.name, "pipeline", command, choices)
    return {**record, "cell_id": cell_id(plain)}


def describe(path: Path, name: str, job_type: str, command: str, choices: dict[str, str]) -> dict[str, Any]:
    """The record of a folder, which `path` in it keeps; what it said before of W&B's id and of attempts goes on."""
    before = read_json(path) if path.is_file() else {}
    return {
        "id": path.parent.name,
        "name": name,
        "group": name,
        "job_type": job_type,
        "wandb_id": before.get("wandb_id", uuid.uuid4().hex[:8]),
        "attempt": before.get("attempt", 0) + 1,
        "created": before.get("created", time.strftime("%Y-%m-%dT%H:%M:%S%z")),
        "command": command,
        "choices": choices,
        "versions": environment.versions(),
        "git": environment.git(),
        "hardware": environment.hardware(),
    }


class Status:
    """status.json of a run folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "status.json"
        self.stage: str | None = None  # the last that began in this attempt

    def enter(self, stage: str) -> None:
        self.stage = stage
        self.write("running")

    def is_completed(self, inputs: str | None = None) -> bool:
        """Whether the run ended well, and, if `inputs` is given, with the data and weights that are there now."""
        status = self._read()
        is_whole = status.get("state") == "completed" and (self.path.parent / "metrics.json").is_file()
        return is_whole and inputs in (None, status.get("inputs"))

    def error(self) -> str:
        """Why the run is not completed, in a few words."""
        status = self._read()
        stopped = f"stopped in stage {status['stage']}" if status.get("stage") else "never started"
        return status.get("error") or stopped

    def _read(self) -> dict[str, Any]:
        """What the file says; nothing where it is missing or broken: the run then counts as not done."""
        try:
            status = read_json(self.path) if self.path.is_file() else {}
        except UserError:
            status = {}
        return status if isinstance(status, dict) else {}

    def fail(self, error: str) -> None:
        """Write down that the run failed; on a full disk the message in the terminal has to do."""
        with suppress(UserError, OSError):
            self.write("failed", error=error)

    def write(self, state: str, error: str | None = None, inputs: str | None = None) -> None:
        updated = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        write_json(
            self.path, {"state": state, "stage": self.stage, "error": error, "updated": updated, "inputs": inputs}
        )
