"""A run as one small file that can be committed: who it was, what it was asked, what came out, question by question in bits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ufo_rl.config.identity import volatile
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import write_text
from ufo_rl.files.journal import number, train_steps
from ufo_rl.files.keys import digest
from ufo_rl.report.disk.run_record import Run, read_object

ENDING, VERSION = ".record.json", 1
ABOUT = ("id", "created", "command", "git", "versions", "hardware")
# Of the journal: TRL's names of what figures and warnings read.
CURVES = ("reward", "frac_reward_zero_std", "completions/mean_length", "grad_norm")
DIGITS = 5  # of a curve's values
KEPT = (
    "num_pool",
    "num_selected",
    "ratio_effective",
    "steps",
    "epochs",
    "budget",
    "generated_tokens",
    "signals",
    "spearman",
)


@dataclass(frozen=True, eq=False)
class KeptRun(Run):
    """A run read back from its record: there are no completions, no scores and no files behind it."""

    right: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)

    def journal(self) -> list[dict[str, Any]]:
        return self.steps

    def correct_after(self, benchmark: str) -> dict[str, float] | None:
        return self.right.get(benchmark, {}).get("final")

    def correct_before(self, benchmark: str) -> dict[str, float] | None:
        return self.right.get(benchmark, {}).get("base")


def write_record(run: Run, folder: Path) -> Path:
    """Write it below `folder`. UserError for a run that is not complete, whose questions have several samples, or are gone."""
    if isinstance(run, KeptRun):
        raise UserError(f"{run.id} is a record already")
    if not run.is_complete:
        raise UserError(f"{run.id} is not complete: only what is done can be recorded")
    about = read_object(run.folder / "run.json")
    metrics = {name: run.metrics.get(name) for name in (*KEPT, "eval", "seconds", "gpu_hours", "schema")}
    content = {
        "record": VERSION,
        "run": {name: about.get(name) for name in ABOUT},
        "config": _decisive(run.config),
        "metrics": _without_lists(metrics),
        "right": {name: _bits(run, name) for name in run.benchmarks},
        "selection": {name: run.selection.get(name) for name in ("num_kept", "num_pool", "tie_share", "near_cut")},
        "kept": digest(sorted(run.selection.get("ids") or [])),
        "curves": _curves(run),
        "alarms": _alarms(run),
    }
    path = folder / f"{run.id}{ENDING}"
    write_text(path, json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
    return path


def load_record(path: Path) -> KeptRun:
    """The run of a record. UserError where the file is broken or of a later version."""
    found = read_object(path)
    if found.get("record") != VERSION:
        raise UserError(f"{path} is no record that this version reads (record: {found.get('record')!r}); update ufo-rl")
    try:
        names = list(found["right"])
        return KeptRun(
            folder=path,
            id=str(found["run"]["id"]),
            created=str(found["run"]["created"]),
            config=found["config"],
            status={"state": "completed"},
            metrics={**found["metrics"], "facts": [], "phases": {}},
            pool={},
            selection=found["selection"],
            contamination={},
            right={name: _verdicts(found["right"][name]) for name in names},
            steps=_lines(found["curves"]) + [{"stage": "train", "event": "alarm", **one} for one in found["alarms"]],
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not whole ({error}); write it again: ufo-rl record") from error


def by_position(shares: Mapping[str, float]) -> dict[str, float]:
    """The answers of a run by the names that they have in its record."""
    ids = sorted(shares)
    return {_name(digest(ids), i): shares[one] for i, one in enumerate(ids)}


def _name(ids: str, i: int) -> str:
    return f"{ids}-{i:05}"


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without what changes no result, but for what tables and labels read."""
    unimportant = set(volatile(config)) - {"name"}
    kept = {key: value for key, value in config.items() if key not in unimportant}
    return {**kept, "launch": {"num_ranks": config["launch"]["num_ranks"]}}


def _without_lists(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Tables by level stay, lists of ids go."""
    signals = {
        name: {key: value for key, value in signal.items() if not isinstance(value, list)}
        for name, signal in (metrics.get("signals") or {}).items()
    }
    return {**metrics, "signals": signals}


def _bits(run: Run, benchmark: str) -> dict[str, Any]:
    """Ids once, then a hexadecimal digit for four questions of each model."""
    final, base = run.correct_after(benchmark), run.correct_before(benchmark)
    if final is None or any(share not in (0.0, 1.0) for share in final.values()):
        raise UserError(
            f"{run.id}: the questions of {benchmark} are gone, or have several samples each; only single answers are recorded"
        )
    ids = sorted(final)
    found = {"ids": digest(ids), "n": len(ids), "final": _packed([final[one] for one in ids])}
    if base is not None and base.keys() == final.keys():
        found["base"] = _packed([base[one] for one in ids])
    return found


def _packed(shares: Sequence[float]) -> str:
    bits = "".join("1" if share else "0" for share in shares)
    return f"{int(bits, 2):0{(len(bits) + 3) // 4}x}"


def _verdicts(kept: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Question -> right or wrong, by a name that only equal sets of questions share."""
    n, found = int(kept["n"]), {}
    for model in ("final", "base"):
        if model in kept:
            bits = f"{int(kept[model], 16):0{n}b}"
            if len(bits) != n:
                raise ValueError(f"{model} has more than {n} questions")
            found[model] = {_name(kept["ids"], i): float(bit) for i, bit in enumerate(bits)}
    return found


def _curves(run: Run) -> dict[str, list[float | None]]:
    ordered = train_steps(run.journal())
    return {
        "step": [float(line["step"]) for line in ordered],
        **{
            name: [_short(number(line.get(name))) for line in ordered]
            for name in CURVES
            if any(name in line for line in ordered)
        },
    }


def _alarms(run: Run) -> list[dict[str, Any]]:
    """The first of each name."""
    found: dict[str, dict[str, Any]] = {}
    for line in run.journal():
        if line.get("event") == "alarm":
            found.setdefault(line["name"], {key: line.get(key) for key in ("name", "step", "words", "cure")})
    return list(found.values())


def _short(value: float | None) -> float | None:
    return None if value is None or value != value or abs(value) == float("inf") else float(f"{value:.{DIGITS}g}")


def _lines(curves: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The journal's lines again, as far as they were kept."""
    steps = curves.get("step") or []
    names = [name for name in curves if name != "step"]
    return [
        {"stage": "train", "event": "metrics", "step": int(step)}
        | {name: curves[name][i] for name in names if curves[name][i] is not None}
        for i, step in enumerate(steps)
    ]
