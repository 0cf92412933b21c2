"""The journal of a run: one JSON object a line, flushed per line. The truth that tables and W&B are made from."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a stage is doing: getting ready (starting, imports, loading the model), its own work, or waiting for the slowest rank
# and the parent. The first rank says when it passes from one to the next.
STARTUP, MEASURING, WAITING = PHASES = ("startup", "measuring", "waiting")
# How a line writes the numbers that JSON lacks.
NOT_FINITE = ("nan", "inf", "-inf")


class Journal:
    """Appends to `metrics.jsonl`. Only one rank of a stage writes."""

    def __init__(self, path: Path, stage: str, attempt: int) -> None:
        self.path, self.stage, self.attempt = path, stage, attempt
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            with path.open("a", encoding="utf-8") as stream:  # the writer before was killed within a line
                stream.write("\n")

    def write(self, event: str, **values: Any) -> dict[str, Any]:
        """Append one line and return it; numbers that JSON lacks (nan, inf) are written as text."""
        clean = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
        line = {"time": round(time.time(), 3), "stage": self.stage, "attempt": self.attempt, "event": event, **clean}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        return line

    def progress(self, done: int, total: int, unit: str) -> None:
        self.write("progress", done=done, total=total, unit=unit)

    def phase(self, phase: str, words: str) -> None:
        """From here on the stage is in this one of PHASES; `words` tell a reader what it does ("" for nothing to tell)."""
        self.write("phase", phase=phase, words=words)


class Tail:
    """Reads what was appended to a journal since the last look; a half-written last line waits for its end."""

    def __init__(self, path: Path, from_end: bool = False) -> None:
        self.path = path
        self.offset = path.stat().st_size if from_end and path.exists() else 0

    def lines(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            block = stream.read()
        end = block.rfind(b"\n") + 1
        self.offset += end
        return parse(block[:end])


@dataclass(frozen=True)
class Spent:
    """Wall seconds of a run over all its attempts: by stage and key of what it computed, and in total. `phases` divides
    the seconds of a stage by PHASES; None where an attempt was made by a version that did not tell them."""

    stages: dict[tuple[str, str], float]
    phases: dict[tuple[str, str], dict[str, float] | None]
    total: float


def seconds_spent(lines: Sequence[dict[str, Any]], now: float) -> Spent:
    """Add up the attempts of a journal; what a killed attempt did after its last line is not known and left out.

    `now` (seconds since the epoch) ends the attempt that is still running, the last one.
    """
    stages: dict[tuple[str, str], float] = {}
    phases: dict[tuple[str, str], dict[str, float] | None] = {}
    phase = STARTUP
    ends: dict[int, tuple[float, float]] = {}  # attempt -> first and last line
    running: tuple[tuple[str, str], float] | None = None  # what runs, and when its last line was written
    for line in lines:
        attempt, stage, event, at = (line[name] for name in ("attempt", "stage", "event", "time"))
        ends[attempt] = (ends.get(attempt, (at, at))[0], at)
        if event == "start":
            running = (stage, line.get("key", "")), at
            stages.setdefault(running[0], 0.0)
            phases.setdefault(running[0], dict.fromkeys(PHASES, 0.0))
            phase = line.get("phase", "")
            if not phase:
                phases[running[0]] = None
        elif event == "begin":
            running = None  # the attempt before did not end its stage
        elif running is not None and stage == running[0][0]:
            stages[running[0]] += at - running[1]
            if (own := phases[running[0]]) is not None:
                own[phase] += at - running[1]
            phase = line.get("phase", phase)
            running = None if event == "end" else (running[0], at)
    if ends:
        last = max(ends)
        ends[last] = (ends[last][0], max(now, ends[last][1]))
    return Spent(stages, phases, sum(end - start for start, end in ends.values()))


def number(value: Any) -> float | None:
    """A value of a line as a float, also one that is not finite; None if it is no number."""
    return float(value) if isinstance(value, (int, float)) or value in NOT_FINITE else None


def train_steps(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The metrics of each step of a training, in order; of one step logged twice (a resumed stage) the later line."""
    steps = {
        line["step"]: line
        for line in lines
        if line.get("stage") == "train" and line.get("event") == "metrics" and line.get("step") is not None
    }
    return [steps[step] for step in sorted(steps)]


def parse(block: bytes) -> list[dict[str, Any]]:
    """The lines that are whole; the torso that a killed writer left is passed over."""
    lines = []
    for line in block.splitlines():
        with contextlib.suppress(ValueError):  # no JSON, or bytes that are no text
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict)]
