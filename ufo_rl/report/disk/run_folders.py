"""Finds and reads run folders. A missing file is a fact to report; a run whose files are broken is found as unreadable."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.report.disk.how_far import UNREADABLE
from ufo_rl.report.disk.kept_record import ENDING, load_record
from ufo_rl.report.disk.run_record import AGAIN, METRICS_FILE, EvaluatedModel, Run, read_object
from ufo_rl.report.disk.schema_1 import upgraded
from ufo_rl.report.metrics import SCHEMA

RUN_FILE, EVALUATION_FILE = "run.json", "evaluation.json"
APART = ("score.json", "select.json")  # of folders where nothing is evaluated
SHARED = (
    "cache",
    "wandb",
    "runs",
    "sweeps",
    "evaluations",
    "scores",
    "selections",
)  # folders of outputs/ that hold no run themselves
EVALUATED = ("model", "template", "eval", "engine", "grader")  # of config.yaml: what decides an evaluation


def find_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs and evaluations in or below the given run folders, sweep folders or globs, each once, in the order of the
    paths; those that cannot be read are there with the state `unreadable` and the reason, and so are folders beside them that
    hold no run.

    UserError for a path that leads to no run."""
    found = folders_below(paths, (RUN_FILE, EVALUATION_FILE))
    return [_read(one) for one in found] + [_unreadable(one, "no run folder") for one in strangers_beside(found)]


def folders_below(paths: Sequence[str | Path], marks: Collection[str]) -> list[Path]:
    """The folders in or below the paths (globs too) that hold one of the files, and the files of recorded runs, each once.
    UserError for a path without one."""
    folders: dict[Path, None] = {}
    for path in paths:
        found = [
            below
            for start in sorted(glob.glob(str(path))) or [str(path)]  # a literal name with [ ] still works
            for below in _folders(Path(start).expanduser(), marks)
        ]
        if not found:
            raise UserError(f"{path}: no run in or below it {_hint(Path(path), marks)}")
        folders |= dict.fromkeys(found)
    return list(folders)


def strangers_beside(folders: Collection[Path]) -> list[Path]:
    """The folders beside these that hold none of them: a run that lost its files, or somebody else's."""
    folders = [folder for folder in folders if folder.is_dir()]
    if len(folders) < 2:  # a single run was meant, not what it lies in
        return []
    known = {parent for folder in folders for parent in (folder, *folder.parents)}
    beside = [one for parent in dict.fromkeys(folder.parent for folder in folders) for one in sorted(parent.iterdir())]
    return [
        one
        for one in beside
        if one.is_dir() and one not in known and one.name not in SHARED and one.name[0] != "." and not _holds_runs(one)
    ]


def _holds_runs(folder: Path) -> bool:
    """Whether it is, or holds, something of ours that was not asked for."""
    return next(_folders(folder, (RUN_FILE, EVALUATION_FILE, *APART)), None) is not None


def _read(folder: Path) -> Run:
    try:
        if folder.is_file():
            run: Run = load_record(folder)
        else:
            run = load_run(folder) if (folder / RUN_FILE).is_file() else load_evaluation(folder)
        run.check()
        return run
    except UserError as error:
        return _unreadable(folder, error.problems[0])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return _unreadable(folder, f"{folder}: its files are not as a run writes them ({error})")


def _unreadable(folder: Path, why: str) -> Run:
    return Run(folder, folder.name, "", {}, {"state": UNREADABLE, "error": why}, {}, {}, {}, {})


def _hint(path: Path, marks: Collection[str]) -> str:
    if next(_folders(path, set(APART) - set(marks)), None):
        return "(ufo-rl score and select train and evaluate nothing: their numbers are in summary.json)"
    return f"(a run folder holds {RUN_FILE}, an evaluation {EVALUATION_FILE}); see outputs/runs"


def load_run(folder: Path) -> Run:
    """The run in `folder`. UserError if it is none or one of its files is broken."""
    if not (folder / RUN_FILE).is_file():
        raise UserError(f"{folder}: no run folder ({RUN_FILE} is missing)")
    record = read_object(folder / RUN_FILE)
    if "id" not in record:
        raise UserError(f"{folder / RUN_FILE} has no id; start the run again to have it written")
    config = read_config(folder / "config.yaml")
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
    record, config = read_object(folder / EVALUATION_FILE), read_config(folder / "config.yaml")
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


def read_metrics(folder: Path, benchmarks: Iterable[str] | None = None) -> dict[str, Any]:
    """metrics.json of a run or an evaluation in the schema of `metrics`, whatever version wrote it; {} if there is none.

    `benchmarks` are the names under `eval` in its config.yaml (None: those of its results). UserError for a schema that this
    version does not know."""
    path = folder / METRICS_FILE
    names = (
        sorted(one.stem for one in (folder / "base_eval").glob("*.json")) if benchmarks is None else list(benchmarks)
    )
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


def is_earlier(folder: Path) -> bool:
    """Whether an earlier version wrote what came out of the run."""
    found = read_object(folder / METRICS_FILE)  # a recorded run has none: it was read when it was recorded
    return bool(found) and found.get("schema", 1) != SCHEMA


def _folders(start: Path, marks: Collection[str]) -> Iterator[Path]:
    """The folders in or below `start` that hold one of the files; the files of recorded runs."""
    if start.name.endswith(ENDING) and start.is_file():
        yield start.resolve()
    seen = set[str]()
    for folder, subfolders, files in os.walk(start, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:  # a link that leads back
            subfolders.clear()
            continue
        seen.add(place)
        if set(marks) & set(files):
            yield Path(folder).resolve()
            subfolders.clear()
        if folder == str(start) and set(SHARED[2:]) & set(subfolders):  # outputs/: what all runs share holds no run
            subfolders[:] = [name for name in subfolders if name not in SHARED[:2]]
        subfolders.sort()
        yield from (Path(folder, name).resolve() for name in sorted(files) if name.endswith(ENDING))


def read_config(path: Path) -> dict[str, Any]:
    """A run's config.yaml. UserError where it is missing or broken."""
    import yaml

    if not path.is_file():
        raise UserError(f"{path} is missing: the folder cannot be told apart from others; remove it")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not valid YAML ({reason}); remove the run folder and run again") from error
    return content if isinstance(content, dict) else {}
