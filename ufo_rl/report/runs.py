"""Run folders as records. A missing file is a fact to report, a broken one is a UserError that names it."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json
from ufo_rl.files.journal import parse
from ufo_rl.stats.intervals import RankCorrelation, wilson

RUN_FILE = "run.json"


@dataclass(frozen=True, eq=False)  # a run is its folder: equal files do not make two runs one
class Run:
    """What the files of one run folder say; {} for a file that is not there (yet).

    `config` is config.yaml, `status` status.json, `metrics` metrics.json (written last), `pool` pool.json,
    `selection` selection.json, `contamination` contamination.json.
    """

    folder: Path
    id: str
    created: str
    config: dict[str, Any]
    status: dict[str, Any]
    metrics: dict[str, Any]
    pool: dict[str, Any]
    selection: dict[str, Any]
    contamination: dict[str, Any]

    @property
    def is_complete(self) -> bool:
        """True if every stage ended and the summary was written."""
        return self.status.get("state") == "completed" and bool(self.metrics)

    @property
    def selector(self) -> str:
        return str(self.value("selector.name"))

    @property
    def seed(self) -> int:
        return self.value("seed")

    @property
    def arm(self) -> str:
        """Selector and ratio, `full` without a ratio: the label of its rows."""
        return "full" if self.selector == "full" else f"{self.selector} {100 * self.value('ratio.value'):g}%"

    @property
    def setting(self) -> tuple[str, str, str]:
        """Model, dataset and template: only runs that share them are compared."""
        return (
            str(self.value("model.name")),
            str(self.value("dataset.name")),
            str(self.value("template.name")),
        )

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks with a final accuracy, in the order of metrics.json."""
        return [key.removesuffix("_final") for key in self.metrics if key.endswith("_final")]

    def accuracy(self, benchmark: str) -> tuple[int, float | None, float]:
        """Number of questions, share correct of the base model (None: not measured) and of the policy."""
        n, before, after = (self.metrics.get(f"{benchmark}_{name}") for name in ("n", "base", "final"))
        shares = [share for share in (before, after) if share is not None]
        if (
            not isinstance(n, int)
            or n < 1
            or not isinstance(after, (int, float))
            or not all(isinstance(share, (int, float)) and 0 <= share <= 1 for share in shares)
        ):
            raise UserError(
                f"{self.folder / 'metrics.json'}: {benchmark} needs _n >= 1 and _final, _base in 0..1, got "
                f"n={n}, final={after}, base={before}; run it again with force=true"
            )
        return n, before, after

    def interval(self, benchmark: str) -> tuple[tuple[float, float] | None, tuple[float, float]]:
        """95 % intervals of the base model's and the policy's accuracy: as the evaluations say, Wilson's where they do not."""
        n, before, after = self.accuracy(benchmark)
        base = _interval(_read(self.folder / "base_eval" / f"{benchmark}.json"), before, n)
        final = _interval(_read(self.folder / "eval" / benchmark / "manifest.json"), after, n)
        assert final is not None
        return base, final

    def is_subset(self, benchmark: str) -> bool:
        """True if only the first questions were asked (eval.<benchmark>.limit)."""
        return bool(self.metrics.get(f"{benchmark}_is_subset"))

    @property
    def spearman(self) -> RankCorrelation | None:
        """Confidence against pass rate over the pool; None if a signal is not stored."""
        found = self.metrics.get("spearman")
        if not found:
            return None
        try:
            return RankCorrelation(*(found[name] for name in ("rho", "ci_low", "ci_high", "n")))
        except (KeyError, TypeError) as error:
            raise UserError(f"{self.folder / 'metrics.json'}: spearman needs rho, ci_low, ci_high, n") from error

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds paid by this run over all its attempts, by stage."""
        return self.metrics.get("seconds") or {}

    @property
    def signals(self) -> dict[str, dict[str, Any]]:
        """Costs of the signals that the run used, by signal."""
        return self.metrics.get("signals") or {}

    @property
    def signal_seconds(self) -> float:
        """Wall seconds of measuring the whole pool when it was computed, cached or not, all signals of the run."""
        return sum(signal.get("cost_seconds") or 0.0 for signal in self.signals.values())

    def value(self, key: str) -> Any:
        """The configured value under a dotted key; a UserError if config.yaml lacks it."""
        node: Any = self.config
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                raise UserError(f"{self.folder / 'config.yaml'} has no {key}; it is not the config of a run")
            node = node[part]
        return node

    def journal(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; [] if there is none."""
        path = self.folder / "metrics.jsonl"
        return parse(path.read_bytes()) if path.is_file() else []

    def correct_after(self, benchmark: str) -> dict[str, float] | None:
        """Question id -> share of its samples (greedy: one) that the trained policy has right; None if there is no table."""
        return _correct(self.folder / "eval" / benchmark / "questions.parquet")

    def correct_before(self, benchmark: str) -> dict[str, float] | None:
        """The same of the base model, from the cached evaluation; None if it is gone."""
        pointer = self.folder / "base_eval" / f"{benchmark}.json"
        cache = _read(pointer).get("cache")
        if not cache:
            return None
        # found from the run folder upwards: moving outputs/ as a whole keeps the pointer right
        outputs = [*self.folder.resolve().parents, Path(str(self.config.get("paths", {}).get("outputs", "")))]
        found = (_correct(folder / cache / "questions.parquet") for folder in outputs)
        return next((table for table in found if table is not None), None)


def find_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs in or below the given run folders, sweep folders or globs, each once, in the order of the
    paths.

    UserError for a path that leads to no run.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        found = [
            below
            for start in sorted(glob.glob(str(path))) or [str(path)]  # a literal name with [ ] still works
            for below in _run_folders(Path(start))
        ]
        if not found:
            raise UserError(f"{path}: no run in or below it (a run folder holds {RUN_FILE}); see outputs/runs")
        folders |= dict.fromkeys(found)
    return [load_run(folder) for folder in folders]


def load_run(folder: Path) -> Run:
    """The run in `folder`. UserError if it is none or one of its files is broken."""
    if not (folder / RUN_FILE).is_file():
        raise UserError(f"{folder}: no run folder ({RUN_FILE} is missing)")
    record = _read(folder / RUN_FILE)
    if "id" not in record:
        raise UserError(f"{folder / RUN_FILE} has no id; start the run again to have it written")
    return Run(
        folder=folder,
        id=str(record["id"]),
        created=str(record.get("created", "")),
        config=_read_config(folder / "config.yaml"),
        status=_read(folder / "status.json"),
        metrics=_read(folder / "metrics.json"),
        pool=_read(folder / "pool.json"),
        selection=_read(folder / "selection.json"),
        contamination=_read(folder / "contamination.json"),
    )


def _run_folders(start: Path) -> list[Path]:
    found = []
    for folder, subfolders, files in os.walk(start):
        if RUN_FILE in files:
            found.append(Path(folder).resolve())
            subfolders.clear()
        subfolders.sort()
    return found


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a JSON object, it holds {type(content).__name__}")
    return content


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


def _interval(found: Mapping[str, Any], share: float | None, n: int) -> tuple[float, float] | None:
    if share is None:
        return None
    return (found["ci_low"], found["ci_high"]) if "ci_low" in found else wilson(round(share * n), n)


def _correct(path: Path) -> dict[str, float] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        table = pq.read_table(path, columns=["id", "correct"])
    except (pa.ArrowException, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a table of questions ({reason}); run again with force=true") from error
    verdicts: dict[str, list[bool]] = {}
    for row in table.to_pylist():
        verdicts.setdefault(row["id"], []).append(bool(row["correct"]))
    return {question: sum(own) / len(own) for question, own in verdicts.items()}
