"""Weights & Biases as a sink for what the local files already hold; the only module that imports wandb.

Names in W&B: `score/*` over `score/prompts`, `train/*` (TRL's own names) over `train/global_step`,
`eval/*` over the same step, where 0 is the base model; `select/*` once; flat summary keys. Losing W&B never
stops a run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ufo_rl.errors import UserError
from ufo_rl.files.flat import flat
from ufo_rl.files.journal import number
from ufo_rl.tracking.excerpt import MAX_ROWS, cell, read_columns, sample_scores, shares
from ufo_rl.tracking.mode import (
    MAX_TAG_CHARS,
    check_tracker,
    is_tag,
    reason,
    resolved_mode,
    root_folder,
    sync_command,
    tag_problems,
)

logger = logging.getLogger(__name__)

# Keys of a journal line that say what the line is; the others are its values.
LINE_KEYS = {"time", "stage", "attempt", "event", "step", "done", "total", "benchmark"}
NUM_BINS = 50
INTERRUPTED = 130  # exit status of a program that Ctrl-C ended, as shells have it
TAG_GROUPS = ("model", "dataset", "selector")  # whose choices are tags
# W&B waits 90 s by default; on a node without internet every job of a sweep would.
SECONDS_TO_CONNECT = 30.0
# By default W&B waits for ever for the last uploads, and with it every later job of a sweep.
SECONDS_TO_FINISH = 600.0


class Tracker:
    """One W&B run, or none at all (`run=None`); as a context manager it marks the run finished or failed."""

    def __init__(self, run: Any = None) -> None:
        self._run = run
        self._global_step = 0

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        failed = "interrupted" if is_interrupted else "failed"
        self.summary({"status": "completed" if kind is None else failed})
        self._send(lambda run: run.finish(exit_code=0 if kind is None else INTERRUPTED if is_interrupted else 1))
        self._run = None

    def feed(self, line: Mapping[str, Any]) -> None:
        """Log one line of metrics.jsonl: its numbers become `<stage>/<name>` or `eval/<benchmark>_<name>`.

        The x-axis of score lines is `done` (prompts so far), of train lines `step`; the base evaluation is
        at step 0, the final one at the last step trained. Progress lines count for scoring only.
        """
        stage, event = line["stage"], line["event"]
        if event == "start" or (event == "progress" and stage != "score"):
            return
        if event == "alarm":
            self._send(
                lambda run: run.alert(title=line["name"], text=f"step {line['step']}: {line['words']}; {line['cure']}")
            )
            return
        if event == "rollouts":
            self._completions(Path(line["file"]))
            return
        if stage == "train" and line.get("step") is not None:
            self._global_step = int(line["step"])
        section = "eval" if stage == "base_eval" else stage
        benchmark = f"{line['benchmark']}_" if line.get("benchmark") else ""
        values = {
            f"{section}/{benchmark}{name}": found
            for name, value in line.items()
            if name not in LINE_KEYS and (found := number(value)) is not None
        }
        if event == "progress":
            values["score/prompts"] = line["done"]
        elif section in ("train", "eval") and values:
            values["train/global_step"] = line.get("step", self._global_step)
        if values:
            self._send(lambda run: run.log(values))

    def scores(self, path: Path, questions: Mapping[str, str], signals: Sequence[str], shown: Sequence[str]) -> None:
        """Log the score table of a run: a histogram of each signal, and rows with their questions, all or a sample (see
        `sample_scores`) of the kept and of the others. The summary's select_table_* say how many of how many.

        `path` is scores.parquet, `shown` those of its columns that the table has, `questions` the text by prompt id,
        `signals` the columns that measure the model.
        """
        if self._run is None:
            return
        columns = read_columns(path, shown)
        for name in signals:
            values = np.array(columns.get(name, []))
            if values.dtype.kind in "fiub":  # a signal of texts has no histogram
                self._histogram(f"score/{name}", values[np.isfinite(values)])
        table = sample_scores(columns, questions, signals)
        counts = shares(table, columns)
        if counts["rows"] < counts["of_rows"]:
            logger.info("W&B gets %(kept)d of %(of_kept)d kept and %(rows)d of %(of_rows)d rows of the pool", counts)
        self._table("select/prompts", table)
        self.summary({"select_table": counts})

    def questions(self, benchmark: str, path: Path) -> None:
        """Log the per-question table of an evaluation (questions.parquet) as `eval/<benchmark>_questions`."""
        if self._run is None:
            return
        columns = read_columns(path)
        if len(columns["id"]) > MAX_ROWS:
            logger.info("W&B gets %d rows of %s, which has %d", MAX_ROWS, path, len(columns["id"]))
        self._table(f"eval/{benchmark}_questions", {k: v[:MAX_ROWS] for k, v in columns.items()})

    def _completions(self, path: Path) -> None:
        """A table of a training's completions; ranks write it, and a new attempt may have moved it."""
        if self._run is None:
            return
        try:
            columns = read_columns(path)
        except (OSError, ValueError) as error:
            logger.warning("W&B does not get %s: %s", path, error)
            return
        self._table("train/completions", {k: v[:MAX_ROWS] for k, v in columns.items()})

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set the sortable columns of the run: nested names join by `_` (`seconds_train`), no None."""
        columns = {key: value for key, value in flat(values, "_").items() if value is not None}
        self._send(lambda run: run.summary.update(columns))

    def _histogram(self, name: str, values: np.ndarray) -> None:
        def log(run: Any) -> None:
            import wandb

            run.log({name: wandb.Histogram(np_histogram=np.histogram(values, bins=NUM_BINS))})

        if values.size:
            self._send(log)

    def _table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        def log(run: Any) -> None:
            import wandb

            rows: list[Any] = [[cell(value) for value in row] for row in zip(*columns.values(), strict=True)]
            run.log({name: wandb.Table(columns=list(columns), data=rows, allow_mixed_types=True)})

        self._send(log)

    def _send(self, action: Callable[[Any], object]) -> None:
        """Do something with the W&B run. What W&B does not take is told and left out; if W&B is lost (its service, the
        network, the disk), say so once and go on without it."""
        if self._run is None:
            return
        try:
            action(self._run)
        except (TypeError, ValueError) as error:
            logger.warning(
                "W&B did not take a value (%s); the run goes on, its local files are complete", reason(error)
            )
        except Exception as error:
            self._run = None
            logger.warning("W&B was lost (%s); the run goes on, its local files are complete", reason(error))


def open_run(
    tracker: Mapping[str, Any], record: Mapping[str, Any], config: Mapping[str, Any], outputs: Path
) -> Tracker:
    """Start the W&B run of a run folder.

    `tracker` is the config node (mode, project, entity, tags), `record` run.json, `config` the resolved
    plain config, `outputs` the folder that shares one `wandb/` between all runs. The id is
    `record["wandb_id"]`: the same folder again continues the same run. UserError where a mode that is asked
    for by name does not start; `auto` goes offline, or on without W&B, and says so in a line.
    """
    asked, project, tags = tracker["mode"], tracker["project"], tracker["tags"]
    if asked == "off":
        return Tracker()
    check_tracker(asked, project, tags, outputs)
    mode, why = resolved_mode(asked, project, outputs)
    if mode == "off":
        if why:
            logger.warning("W&B: the run goes on without it: %s", why)
        return Tracker()
    for problem in tag_problems(tags):  # where W&B is asked for by name, they were refused
        logger.warning("W&B: a tag is left out: %s", problem)
    _keep_files_in(outputs)
    sync = sync_command(outputs, record["wandb_id"])
    if why:
        logger.info("W&B: %s, logging offline; send it later with: %s", why, sync)
    try:
        return Tracker(_start(mode, tracker, record, config, outputs))
    except Exception as error:  # W&B, pydantic, the network, the disk: none of them is worth a run
        if asked != "auto":
            raise UserError(f"tracker.mode={mode}: W&B did not start ({reason(error)}); use tracker=auto") from error
        if mode == "offline":
            return _without(error)
        refusal = reason(error)
    try:
        _forget_start()
        run = _start("offline", tracker, record, config, outputs)
    except Exception as error:
        return _without(error)
    logger.warning("W&B: no server (%s), logging offline; send it later with: %s", refusal, sync)
    return Tracker(run)


def _without(error: Exception) -> Tracker:
    logger.warning("W&B: the run goes on without it, it did not start: %s", reason(error))
    with suppress(Exception):
        _forget_start()
    return Tracker()


def _forget_start() -> None:
    """A failed start still holds the id in W&B's service process."""
    import wandb

    wandb.teardown()


def _keep_files_in(outputs: Path) -> None:
    """Stage and cache below `outputs` unless the user chose a place: home folders have quotas."""
    for variable, name in (("WANDB_DATA_DIR", "data"), ("WANDB_CACHE_DIR", "cache")):
        os.environ.setdefault(variable, str(outputs.resolve() / "wandb" / name))


def _start(
    mode: Any, tracker: Mapping[str, Any], record: Mapping[str, Any], config: Mapping[str, Any], outputs: Path
) -> Any:
    import wandb

    names = [str(config[group].get("name", "custom"))[:MAX_TAG_CHARS] for group in TAG_GROUPS if group in config]
    tags = dict.fromkeys(tag for tag in [*names, *tracker["tags"]] if is_tag(tag))
    choices = {f"choice/{group}": option for group, option in record["choices"].items()}
    about = {key: record.get(key) for key in ("cell_id", "command", "created", "versions", "git", "hardware")}
    root = root_folder(outputs)
    root.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=tracker["project"] or None,  # empty: W&B's own default
        entity=tracker["entity"],
        id=record["wandb_id"],
        name=record["display_name"],
        group=record["group"],
        job_type=record["job_type"],
        tags=list(tags),
        config={**config, **choices, "run": about},
        dir=str(root.resolve()),
        mode=mode,
        resume="allow",
        # Without it a second init in one process returns the first run and drops the second config
        # (wandb#1314).
        reinit="create_new",
        allow_val_change=True,
        settings=wandb.Settings(
            console="off",
            silent=mode == "offline",
            init_timeout=SECONDS_TO_CONNECT,
            finish_timeout=SECONDS_TO_FINISH,
        ),
    )
    run.define_metric("score/prompts", hidden=True)
    run.define_metric("score/*", step_metric="score/prompts")
    run.define_metric("train/global_step", hidden=True)
    run.define_metric("train/*", step_metric="train/global_step")
    run.define_metric("eval/*", step_metric="train/global_step")
    return run
