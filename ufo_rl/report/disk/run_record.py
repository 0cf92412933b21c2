"""One run folder as a record: who the run is, how far it got, and what came out, question by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json
from ufo_rl.files.journal import parse
from ufo_rl.report.facts import FactRecord
from ufo_rl.stats.intervals import RankCorrelation

METRICS_FILE = "metrics.json"
AGAIN = "run it again with force=true"


@dataclass(frozen=True)
class BenchmarkAccuracy:
    """Share correct of `n` questions with its 95 % interval."""

    n: int
    share: float
    low: float
    high: float
    is_subset: bool


@dataclass(frozen=True, eq=False)  # a run is its folder: equal files do not make two runs one
class Run:
    """What the files of one run folder say; {} for a file that is not there (yet).

    `config` is config.yaml, `status` status.json, `metrics` metrics.json (written last, a `metrics.RunMetrics`), `pool`
    pool.json, `selection` selection.json, `contamination` contamination.json."""

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
    def is_evaluation(self) -> bool:
        """Whether nothing was trained for it."""
        return False

    @property
    def has_questions(self) -> bool:
        """Whether verdicts can be had question by question, if its tables are whole."""
        return True

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
    def share(self) -> float:
        """The share of the pool that was to be kept."""
        return self.value("ratio.value")

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
        """Names of the benchmarks, in the order of metrics.json."""
        return list(self.metrics.get("eval") or {})

    def before(self, benchmark: str) -> BenchmarkAccuracy | None:
        """Of the base model; None if it was not asked."""
        found = self._evaluated(benchmark, "base")
        return None if found is None else self._accuracy(found, f"eval.{benchmark}.base")

    def after(self, benchmark: str) -> BenchmarkAccuracy:
        """Of the policy."""
        return self._accuracy(self._evaluated(benchmark, "final"), f"eval.{benchmark}.final")

    def _evaluated(self, benchmark: str, when: str) -> Any:
        try:
            return self.metrics["eval"][benchmark][when]
        except (KeyError, TypeError) as error:
            raise UserError(f"{self.folder / METRICS_FILE} has no eval.{benchmark}.{when}; {AGAIN}") from error

    def _accuracy(self, found: Any, where: str) -> BenchmarkAccuracy:
        try:
            made = BenchmarkAccuracy(
                found["n"], found["accuracy"], found["ci_low"], found["ci_high"], found["is_subset"]
            )
            is_sound = made.n >= 1 and all(0 <= share <= 1 for share in (made.share, made.low, made.high))
        except (KeyError, TypeError):
            made, is_sound = None, False
        if made is None or not is_sound:
            raise UserError(
                f"{self.folder / METRICS_FILE}: {where} needs n >= 1, is_subset, and accuracy, ci_low, ci_high in 0..1; "
                f"{AGAIN}"
            )
        return made

    @property
    def spearman(self) -> RankCorrelation | None:
        """Confidence against pass rate over the pool; None if a signal is not stored."""
        found = self.metrics.get("spearman")
        if not found:
            return None
        try:
            return RankCorrelation(*(found[name] for name in ("rho", "ci_low", "ci_high", "n")))
        except (KeyError, TypeError) as error:
            raise UserError(f"{self.folder / METRICS_FILE}: spearman needs rho, ci_low, ci_high, n") from error

    @property
    def facts(self) -> list[FactRecord]:
        """What the parts of the run report of it."""
        return self.metrics.get("facts") or []

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds paid by this run over all its attempts, by stage."""
        return self.metrics.get("seconds") or {}

    def phase_seconds(self, phase: str) -> float | None:
        """Of `seconds`, what all stages spent in startup, measuring or waiting; None where one does not tell."""
        known = [own[phase] for own in self.phases.values() if own is not None]
        return sum(known) if known and len(known) == len(self.phases) else None

    @property
    def phases(self) -> dict[str, dict[str, float] | None]:
        """`seconds` of each stage as startup, measuring and waiting; {} in folders of earlier versions."""
        return self.metrics.get("phases") or {}

    @property
    def signals(self) -> dict[str, dict[str, Any]]:
        """Costs of the signals that the run used, by signal."""
        return self.metrics.get("signals") or {}

    @property
    def signal_seconds(self) -> float:
        """Wall seconds of measuring the whole pool when it was computed, cached or not, all signals of the run."""
        return sum(signal.get("cost_seconds") or 0.0 for signal in self.signals.values())

    def check(self) -> None:
        """UserError where a file lacks what a comparison reads of it."""
        if not self.is_complete:
            return
        self._check_shapes()
        _ = self.arm, self.setting, self.spearman
        for name in self.benchmarks:
            _, after, answers = self.before(name), self.after(name), self.correct_after(name)
            if answers and abs(sum(answers.values()) / len(answers) - after.share) > 1e-6:
                right = sum(answers.values()) / len(answers)
                raise UserError(
                    f"{self.folder}: eval.{name}.final says an accuracy of {after.share:g}, its questions {right:g}; {AGAIN}"
                )

    def _check_shapes(self) -> None:
        of_numbers = isinstance(self.seconds, dict) and all(
            isinstance(one, int | float) for one in self.seconds.values()
        )
        of_signals = isinstance(self.signals, dict) and all(isinstance(one, dict) for one in self.signals.values())
        sound = {
            "seed": isinstance(self.seed, int),
            "metrics.eval": isinstance(self.metrics.get("eval") or {}, dict),
            "metrics.seconds": of_numbers,
            "metrics.signals": of_signals,
        }
        if wrong := [name for name, is_sound in sound.items() if not is_sound]:
            raise UserError(f"{self.folder}: {', '.join(wrong)} not as a run writes it; {AGAIN}")

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
        cache = read_object(self.folder / "base_eval" / f"{benchmark}.json").get("cache")
        if not cache:
            return None
        # found from the run folder upwards: moving outputs/ as a whole keeps the pointer right
        outputs = [
            *self.folder.resolve().parents,
            Path(str(self.config.get("paths", {}).get("outputs", ""))).expanduser(),
        ]
        found = (_correct(folder / cache / "questions.parquet") for folder in outputs)
        return next((table for table in found if table is not None), None)


class EvaluatedModel(Run):
    """The folder of an evaluation: a model that nothing was trained for. Its arm is the model; all are compared, and their
    settings tell them apart. `config` holds what decides an evaluation, no more."""

    @property
    def is_evaluation(self) -> bool:
        return True

    @property
    def selector(self) -> str:
        return self.arm

    @property
    def arm(self) -> str:
        return str(self.value("model.name"))

    @property
    def seed(self) -> int:
        return 0

    @property
    def share(self) -> float:
        return 1.0

    @property
    def setting(self) -> tuple[str, str, str]:
        return "", "", ""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, {} if there is no file. UserError if it holds anything else."""
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a JSON object, it holds {type(content).__name__}")
    return content


def _correct(path: Path) -> dict[str, float] | None:
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _read_correct(path, changed)


@lru_cache(maxsize=4096)  # a comparison reads each table for several arms
def _read_correct(path: Path, changed: int) -> dict[str, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["id", "correct"])
    except (pa.ArrowException, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a table of questions ({reason}); {AGAIN}") from error
    verdicts: dict[str, list[bool]] = {}
    for question, verdict in zip(table["id"].to_pylist(), table["correct"].to_pylist(), strict=True):
        verdicts.setdefault(question, []).append(bool(verdict))
    return {question: sum(own) / len(own) for question, own in verdicts.items()}
