"""Weights & Biases as a sink for what the local files already hold; the only module that imports wandb.

Names in W&B: `score/*` over `score/prompts`, `train/*` (TRL's own names) over `train/global_step`,
`eval/*` over the same step, where 0 is the base model; `select/*` once; flat summary keys. Losing W&B never
stops a run.
"""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ufo_rl.errors import UserError
from ufo_rl.files.flat import flat
from ufo_rl.files.journal import number
from ufo_rl.tracking.excerpt import MAX_ROWS, cell, read_columns, sample_scores

logger = logging.getLogger(__name__)

MODES = ("auto", "online", "offline", "off")
# Keys of a journal line that say what the line is; the others are its values.
LINE_KEYS = {"time", "stage", "attempt", "event", "step", "done", "total", "benchmark"}
NUM_BINS = 50
INTERRUPTED = 130  # exit status of a program that Ctrl-C ended, as shells have it
TAG_GROUPS = ("model", "dataset", "selector")  # whose choices are tags
# W&B waits 90 s by default; on a node without internet every job of a sweep would.
SECONDS_TO_CONNECT = 30.0


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
            values["train/global_step"] = 0 if stage == "base_eval" else self._global_step
        if values:
            self._send(lambda run: run.log(values))

    def scores(self, path: Path, questions: Mapping[str, str], signals: Sequence[str]) -> None:
        """Log the score table of a run: a histogram of each signal, and at most 2,000 rows with their
        questions.

        `path` is scores.parquet, `questions` the text by prompt id, `signals` the columns that measure the model;
        `sample_scores` says which rows.
        """
        if self._run is None:
            return
        columns = read_columns(path)
        for name in signals:
            values = np.array(columns.get(name, []))
            if values.dtype.kind in "fiub":  # a signal of texts has no histogram
                self._histogram(f"score/{name}", values[np.isfinite(values)])
        self._table("select/prompts", sample_scores(columns, questions, signals))

    def questions(self, benchmark: str, path: Path) -> None:
        """Log the per-question table of an evaluation (questions.parquet) as `eval/<benchmark>_questions`."""
        if self._run is None:
            return
        columns = read_columns(path)
        if len(columns["id"]) > MAX_ROWS:
            logger.info("W&B gets %d rows of %s, which has %d", MAX_ROWS, path, len(columns["id"]))
        self._table(f"eval/{benchmark}_questions", {k: v[:MAX_ROWS] for k, v in columns.items()})

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set the sortable columns of the run: nested names join by `_` (`seconds_train`), no None."""
        columns = {key: value for key, value in flat(values, "_").items() if value is not None}
        self._send(lambda run: run.summary.update(columns))

    def _histogram(self, name: str, values: np.ndarray) -> None:
        import wandb

        if values.size:
            histogram = wandb.Histogram(np_histogram=np.histogram(values, bins=NUM_BINS))
            self._send(lambda run: run.log({name: histogram}))

    def _table(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        import wandb

        rows: list[Any] = [[cell(value) for value in row] for row in zip(*columns.values(), strict=True)]
        table = wandb.Table(columns=list(columns), data=rows)
        self._send(lambda run: run.log({name: table}))

    def _send(self, action: Callable[[Any], object]) -> None:
        """Do something with the W&B run; if W&B is lost, say so once and go on without it."""
        if self._run is None:
            return
        import wandb

        try:
            action(self._run)
        except (wandb.Error, ConnectionError) as error:
            self._run = None
            logger.warning("W&B was lost (%s); the run goes on, its local files are complete", error)


def open_run(
    tracker: Mapping[str, Any], record: Mapping[str, Any], config: Mapping[str, Any], outputs: Path
) -> Tracker:
    """Start the W&B run of a run folder.

    `tracker` is the config node (mode, project, entity, tags), `record` run.json, `config` the resolved
    plain config, `outputs` the folder that shares one `wandb/` between all runs. The id is
    `record["wandb_id"]`: the same folder again continues the same run. UserError for an unknown mode, and
    for mode online without a key or server.
    """
    check_mode(tracker["mode"])
    mode = _auto_mode() if tracker["mode"] == "auto" else tracker["mode"]
    if mode == "off":
        return Tracker()
    _keep_files_in(outputs)
    sync = sync_command(outputs, record["wandb_id"])
    if tracker["mode"] == "auto" and mode == "offline":
        logger.info("W&B: no key configured, logging offline; send it later with: %s", sync)
    import wandb

    try:
        run = _start(mode, tracker, record, config, outputs)
    except wandb.Error as error:
        reason = str(error).splitlines()[0]
        if tracker["mode"] != "auto" or mode != "online":
            raise UserError(f"tracker.mode={mode}: W&B did not start ({reason}); use tracker=offline") from error
        logger.warning("W&B: no server (%s), logging offline; send it later with: %s", reason, sync)
        wandb.teardown()  # the failed start still holds the id in W&B's service process
        run = _start("offline", tracker, record, config, outputs)
    run.define_metric("score/prompts", hidden=True)
    run.define_metric("score/*", step_metric="score/prompts")
    run.define_metric("train/global_step", hidden=True)
    run.define_metric("train/*", step_metric="train/global_step")
    run.define_metric("eval/*", step_metric="train/global_step")
    return Tracker(run)


def check_mode(mode: str) -> None:
    """UserError for an unknown mode, and for online without a key."""
    if mode not in MODES:
        raise UserError(f"tracker.mode={mode}: allowed are {', '.join(MODES)}")
    if mode == "online" and not has_key():
        raise UserError("tracker.mode=online: no W&B key; run `wandb login`, set WANDB_API_KEY, or use tracker=offline")


def sync_command(outputs: Path, wandb_id: str) -> str:
    """The command that sends the offline files of one run, all its attempts, to the server."""
    return f"wandb sync {_root(outputs) / 'wandb'}/offline-run-*-{wandb_id}"


def has_key() -> bool:
    """True if a W&B key is configured: WANDB_API_KEY, an identity token file, or the server's netrc entry."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    # `wandb login` of earlier versions wrote the second host; wandb reads both.
    hosts = (urlsplit(wandb.Settings().base_url).netloc, "api.wandb.ai")
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        entries = netrc.netrc(path)
    except (OSError, netrc.NetrcParseError):
        return False
    return any(entries.authenticators(host) for host in hosts)


def _auto_mode() -> str:
    """What WANDB_MODE says, else online with a key and offline without."""
    by_environment = {"online": "online", "offline": "offline", "disabled": "off"}
    wish = os.environ.get("WANDB_MODE", "")
    return by_environment.get(wish) or ("online" if has_key() else "offline")


def _root(outputs: Path) -> Path:
    """The folder whose `wandb/` holds the runs: `outputs`, unless the user set WANDB_DIR."""
    return Path(os.environ.get("WANDB_DIR") or outputs)


def _keep_files_in(outputs: Path) -> None:
    """Stage and cache below `outputs` unless the user chose a place: home folders have quotas."""
    for variable, name in (("WANDB_DATA_DIR", "data"), ("WANDB_CACHE_DIR", "cache")):
        os.environ.setdefault(variable, str(outputs.resolve() / "wandb" / name))


def _start(
    mode: Any, tracker: Mapping[str, Any], record: Mapping[str, Any], config: Mapping[str, Any], outputs: Path
) -> Any:
    import wandb

    names = [config[group].get("name", "custom") for group in TAG_GROUPS if group in config]
    tags = dict.fromkeys(str(tag) for tag in [*names, *tracker["tags"]])
    choices = {f"choice/{group}": option for group, option in record["choices"].items()}
    about = {key: record.get(key) for key in ("cell_id", "command", "created", "versions", "git", "hardware")}
    _root(outputs).mkdir(parents=True, exist_ok=True)
    return wandb.init(
        project=tracker["project"],
        entity=tracker["entity"],
        id=record["wandb_id"],
        name=record["id"],
        group=record["group"],
        job_type=record["job_type"],
        tags=list(tags),
        config={**config, **choices, "run": about},
        dir=str(_root(outputs).resolve()),
        mode=mode,
        resume="allow",
        # Without it a second init in one process returns the first run and drops the second config
        # (wandb#1314).
        reinit="create_new",
        allow_val_change=True,
        settings=wandb.Settings(console="off", silent=mode == "offline", init_timeout=SECONDS_TO_CONNECT),
    )
