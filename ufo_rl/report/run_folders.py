"""Finds and reads run folders. A missing file is a fact to report, a broken one is a UserError that names it."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.report.metrics import SCHEMA
from ufo_rl.report.run_record import AGAIN, METRICS_FILE, EvaluatedModel, Run, read_object
from ufo_rl.report.schema_1 import upgraded

RUN_FILE, EVALUATION_FILE = "run.json", "evaluation.json"
APART = ("score.json", "select.json")  # of folders where nothing is evaluated
EVALUATED = ("model", "template", "eval", "engine", "grader")  # of config.yaml: what decides an evaluation


def find_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs and evaluations in or below the given run folders, sweep folders or globs, each once, in the order of the
    paths.

    UserError for a path that leads to no run.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        found = [
            below
            for start in sorted(glob.glob(str(path))) or [str(path)]  # a literal name with [ ] still works
            for below in _folders(Path(start).expanduser(), (RUN_FILE, EVALUATION_FILE))
        ]
        if not found:
            raise UserError(f"{path}: no run in or below it {_hint(Path(path))}")
        folders |= dict.fromkeys(found)
    return [load_run(one) if (one / RUN_FILE).is_file() else load_evaluation(one) for one in folders]


def _hint(path: Path) -> str:
    if next(_folders(path, APART), None):
        return "(ufo-rl score and select train and evaluate nothing: their numbers are in summary.json)"
    return f"(a run folder holds {RUN_FILE}, an evaluation {EVALUATION_FILE}); see outputs/runs"


def load_run(folder: Path) -> Run:
    """The run in `folder`. UserError if it is none or one of its files is broken."""
    if not (folder / RUN_FILE).is_file():
        raise UserError(f"{folder}: no run folder ({RUN_FILE} is missing)")
    record = read_object(folder / RUN_FILE)
    if "id" not in record:
        raise UserError(f"{folder / RUN_FILE} has no id; start the run again to have it written")
    config = _read_config(folder / "config.yaml")
    return Run(
        folder=folder,
        id=str(record["id"]),
        created=str(record.get("created", "")),
        config=config,
        status=read_object(folder / "status.json"),
        metrics=read_metrics(folder, config.get("eval") or ()),
        pool=read_object(folder / "pool.json"),
        selection=read_object(folder / "selection.json"),
        contamination=read_object(folder / "contamination.json"),
    )


def load_evaluation(folder: Path) -> EvaluatedModel:
    """The evaluation in `folder`. UserError if one of its files is broken."""
    record, config = read_object(folder / EVALUATION_FILE), _read_config(folder / "config.yaml")
    return EvaluatedModel(
        folder=folder,
        id=str(record.get("id", folder.name)),
        created=str(record.get("created", "")),
        config={node: config[node] for node in EVALUATED if node in config},
        status=read_object(folder / "status.json"),
        metrics=read_metrics(folder, config.get("eval") or ()),
        pool={},
        selection={},
        contamination={},
    )


def read_metrics(folder: Path, benchmarks: Iterable[str]) -> dict[str, Any]:
    """metrics.json of a run or an evaluation in the schema of `metrics`, whatever version wrote it; {} if there is none.

    `benchmarks` are the names under `eval` in its config.yaml. UserError for a schema that this version does not know.
    """
    path, names = folder / METRICS_FILE, list(benchmarks)
    found = read_object(path)
    schema = found.get("schema", 1)
    if not found or schema == SCHEMA:
        return found
    if schema != 1:
        cure = "update ufo-rl" if isinstance(schema, int) and schema > SCHEMA else AGAIN
        raise UserError(f"{path} has schema {schema!r}, this version of ufo-rl reads 1 to {SCHEMA}; {cure}")
    base = {name: read_object(folder / "base_eval" / f"{name}.json") for name in names}
    final = {name: read_object(folder / "eval" / name / "manifest.json") for name in names}
    try:
        return dict(upgraded(found, names, base, final))
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} was written by an earlier version and is not whole: {error} is missing; {AGAIN}"
        ) from error


def _folders(start: Path, marks: Collection[str]) -> Iterator[Path]:
    """The folders in or below `start` that hold one of the files."""
    for folder, subfolders, files in os.walk(start):
        if set(marks) & set(files):
            yield Path(folder).resolve()
            subfolders.clear()
        subfolders.sort()


def _read_config(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        raise UserError(f"{path} is missing: the folder cannot be told apart from others; remove it")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not valid YAML ({reason}); remove the run folder and run again") from error
    return content if isinstance(content, dict) else {}
