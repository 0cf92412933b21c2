"""The ledger: every run, evaluation, scoring and selection below some folders, with its state, choices, results and cost."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.report.disk.how_far import UNREADABLE, State, state_of
from ufo_rl.report.disk.kept_record import ENDING, load_record
from ufo_rl.report.disk.run_folders import (
    APART,
    EVALUATION_FILE,
    RUN_FILE,
    folders_below,
    read_metrics,
    strangers_beside,
)
from ufo_rl.report.disk.run_record import METRICS_FILE, read_object
from ufo_rl.report.metrics import SCHEMA

KINDS = {RUN_FILE: "run", EVALUATION_FILE: "evaluation", **{name: name.partition(".")[0] for name in APART}}


@dataclass(frozen=True)
class Entry:
    """One folder. `words`: what its command chose, by key; `choices`: the option of each group. `results`: by benchmark the
    accuracy before (None where it was not asked) and after. `hours`: of GPUs, None on CPUs. `started_by`: the command line that
    runs what is missing. `notes`: what a reader should know of it."""

    folder: Path
    kind: str
    state: State
    words: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, tuple[float | None, float]] = field(default_factory=dict)
    seconds: float | None = None
    hours: float | None = None
    created: str = ""
    command: str = ""
    started_by: str = ""
    notes: Sequence[str] = ()

    @property
    def name(self) -> str:
        return self.folder.name.removesuffix(ENDING)

    @property
    def short(self) -> str:
        """The hash that a run's name ends in, enough for `ufo-rl show`; else the name."""
        end = self.name.rpartition("-")[2]
        return end if len(end) == 8 and self.name != end else self.name

    def value(self, key: str) -> str:
        """What it chose under a key: a value of its command, or the option of a group; "-" where neither is known."""
        return self.words.get(key) or self.choices.get(key) or "-"


def entries(paths: Sequence[str | Path]) -> list[Entry]:
    """All that lie in or below the paths, in their order; what cannot be read is among them, with the reason. UserError for a
    path that leads to nothing."""
    return entries_of(folders_below(paths, KINDS))


def entries_of(folders: Iterable[Path]) -> list[Entry]:
    """The same of folders that are known, with what lies beside them and holds no run."""
    found = list(folders)
    strangers = [
        Entry(one, "foreign", State(UNREADABLE, "", "no run folder", "", 0.0)) for one in strangers_beside(found)
    ]
    return [_sound(folder) for folder in found] + strangers


def _sound(folder: Path) -> Entry:
    try:
        return _entry(folder)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return Entry(folder, "run", State(UNREADABLE, "", f"its files are not as a run writes them ({error})", "", 0.0))


def _recorded(path: Path) -> Entry:
    try:
        run, record = load_record(path), read_object(path)["run"]
    except UserError as error:
        return Entry(path, "record", State(UNREADABLE, "", error.problems[0], "", 0.0))
    command, seconds = str(record.get("command") or ""), run.seconds.get("total")
    return Entry(
        folder=path,
        kind="record",
        state=State("completed", "", "", "", 0.0),
        words=_words(command),
        results=_results(run.metrics),
        seconds=seconds,
        hours=run.metrics.get("gpu_hours"),
        created=run.created,
        command=command,
        started_by=command,
    )


def _entry(folder: Path) -> Entry:
    if folder.is_file():
        return _recorded(folder)
    mark = next((name for name in KINDS if (folder / name).is_file()), RUN_FILE)
    try:
        record, status = read_object(folder / mark), read_object(folder / "status.json")
        metrics = read_object(folder / METRICS_FILE)
        is_earlier = bool(metrics) and metrics.get("schema", 1) != SCHEMA
        metrics = read_metrics(folder) if is_earlier else metrics
    except UserError as error:
        return Entry(folder, KINDS[mark], State(UNREADABLE, "", error.problems[0], "", 0.0))
    state = State("completed", "", "", "", 0.0) if mark in APART else state_of(folder, status)
    if state.name == "completed" and not (folder / "config.yaml").is_file():
        state = State(UNREADABLE, "", "config.yaml is missing", "", 0.0)
    command = str(record.get("command") or "")
    seconds = metrics.get("seconds") or {}
    return Entry(
        folder=folder,
        kind=KINDS[mark],
        state=state,
        words=_words(command),
        choices={key: str(option) for key, option in (record.get("choices") or {}).items()},
        results=_results(metrics),
        seconds=seconds.get("total"),
        hours=metrics.get("gpu_hours"),
        created=str(record.get("created") or ""),
        command=command,
        started_by=str(record.get("started_by") or command),
        notes=["written by an earlier version"] if is_earlier else [],
    )


def _words(command: str) -> dict[str, str]:
    """The overrides of a command, by key."""
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        return {}
    pairs = (word.lstrip("+").partition("=") for word in words if "=" in word)
    found = {key: value for key, _, value in pairs}
    return {
        key: value
        for key, value in found.items()
        if found.get("selector") != "full" or key.partition(".")[0] != "ratio"
    }


def _results(metrics: Mapping[str, Any]) -> dict[str, tuple[float | None, float]]:
    found = {}
    for name, models in (metrics.get("eval") or {}).items():
        base, final = models.get("base") or {}, models.get("final") or {}
        if isinstance(accuracy := final.get("accuracy"), int | float):
            found[name] = (base.get("accuracy"), accuracy)
    return found
