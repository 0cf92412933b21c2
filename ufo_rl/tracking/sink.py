"""Weights & Biases as a sink for what the local files already hold.

Names in W&B: `score/*` over `score/prompts`, `train/*` (TRL's own names) over `train/global_step`, `eval/*` over the same step,
where 0 is the base model; `select/*` once; flat summary keys. Losing W&B never stops a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ufo_rl.files.flat import flat
from ufo_rl.files.journal import number
from ufo_rl.tracking.excerpt import MAX_ROWS, cell, read_columns, sample_scores, shares
from ufo_rl.tracking.mode import (
    reason,
)

logger = logging.getLogger(__name__)

# Keys of a journal line that say what the line is; the others are its values.
LINE_KEYS = {"time", "stage", "attempt", "event", "step", "done", "total", "benchmark"}
NUM_BINS = 50
INTERRUPTED = 130  # exit status of a program that Ctrl-C ended, as shells have it
MAX_ERROR_CHARS = 500  # of the reason in a failed run's summary


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
        why = str(error).splitlines()[0][:MAX_ERROR_CHARS] if kind is not None and str(error) else ""
        self.summary({"status": "completed" if kind is None else failed, "error": why})
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

        `path` is scores.parquet, `shown` those of its columns that the table has, `questions` the text by prompt id, `signals`
        the columns that measure the model."""
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

    def artifact(self, one: Mapping[str, Any], files: Sequence[Path], about: Mapping[str, Any]) -> None:
        """Log an artifact of the run: `one` has its name, type, digest, what it was made from (inputs), and whether the run was
        given it (is_input). Offline W&B cannot say that a run used something: `ufo-rl sync` says it later."""

        def log(run: Any) -> None:
            import wandb

            made = wandb.Artifact(
                one["name"], type=one["type"], metadata={**about, "inputs": one["inputs"], "digest": one["digest"]}
            )
            for path in files:
                made.add_file(str(path), policy="immutable")
            if one["is_input"] and not run.offline:
                run.use_artifact(made)
            else:
                run.log_artifact(made)

        self._send(log)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set the sortable columns of the run: nested names join by `_` (`seconds_train`), no None."""
        columns = {key: value for key, value in flat(values, "_").items() if value is not None}
        self._send(lambda run: run.summary.update(columns))

    @property
    def is_on(self) -> bool:
        """Whether what is logged goes anywhere."""
        return self._run is not None

    def figures(self, pictures: Mapping[str, Path]) -> None:
        """Log pictures by their names, as `figures/<name>`."""

        def log(run: Any) -> None:
            import wandb

            run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in pictures.items()})

        if pictures:
            self._send(log)

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
