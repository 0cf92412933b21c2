"""Signal `pass_rate`, the parent's half: K sampled completions a prompt, one stored row a sample."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic.dataclasses import dataclass

from ufo_rl.config.schema import Count, Engine, Positive, Seam, Seed
from ufo_rl.config.typed import Range
from ufo_rl.files.store import KEY, SignalStore, sample_key
from ufo_rl.launch.publish import Row
from ufo_rl.records import Prompt
from ufo_rl.signals import Plan, PoolRows, Subject
from ufo_rl.signals.pass_rate.rollouts import Rollouts, check_rollouts, read_rollouts
from ufo_rl.signals.pass_rate.sampling import Verdicts, num_needed

log = logging.getLogger(__name__)
VERSION = 3  # raise it when the samples of the same text change: old stores are then no longer found
SHARED = ("num_samples", "adaptive", "rollouts")  # settings whose samples are those of every other value


@dataclass(frozen=True)
class PassRate:
    """The share of K sampled completions that the grader accepts. Keys: see conf/signal/pass_rate.yaml."""

    num_samples: Count
    temperature: Positive
    max_completion_tokens: Count
    seed: Seed
    adaptive: list[Annotated[float, Range(0, 1)]] | None
    rollouts: str | None

    stage: ClassVar[str] = "pass_rate"
    unit: ClassVar[str] = "samples"
    rank: ClassVar[str] = "ufo_rl.signals.pass_rate.rank.measure"
    columns: ClassVar[tuple[str, ...]] = ("pass_rate", "samples")
    stored: ClassVar[tuple[str, ...]] = ("id", "correct", "truncated", "num_tokens", "generated_tokens")

    def __post_init__(self) -> None:
        if self.adaptive is None:
            return
        shown = f"adaptive=[{','.join(f'{end:g}' for end in self.adaptive)}]"
        if len(self.adaptive) != 2 or self.adaptive[0] > self.adaptive[1]:
            raise ValueError(f"{shown} must be an interval of pass rates [low,high], for example [0.4,0.6]")
        low, high = self.adaptive
        if not any(low <= k / self.num_samples <= high for k in range(self.num_samples + 1)):
            raise ValueError(f"{shown} holds no pass rate of signal.pass_rate.num_samples={self.num_samples}; widen it")

    def check(self, prompts: Sequence[Prompt]) -> None:
        """Finished completions, where a file of them is named, are there for every prompt."""
        if (found := self.finished()) is not None:
            check_rollouts(found, prompts, self.num_samples)

    def finished(self) -> Rollouts | None:
        """The completions that stand for samples; None where they are sampled."""
        if self.rollouts is None:
            return None
        path = Path(self.rollouts)
        return _read_rollouts(path, path.stat().st_mtime_ns if path.is_file() else 0)

    def inputs(self) -> str | None:
        """What the settings name but do not hold: the hash of the file of finished completions."""
        found = self.finished()
        return found.key if found is not None else None

    def warn_of_rough(self, columns: Mapping[str, np.ndarray], kept: Sequence[str]) -> None:
        """Prompts that adaptive sampling left should not be among the kept: their pass rates are of few samples."""
        if self.adaptive is None:
            return
        left = columns["id"][columns["samples"] < self.num_samples]
        if num_rough := len(set(left.tolist()) & set(kept)):
            log.warning(
                "%d of the %d kept prompts were left before their %d samples were drawn; widen "
                "signal.pass_rate.adaptive=%s, or set it to null",
                num_rough,
                len(kept),
                self.num_samples,
                self.adaptive,
            )

    def identity(self, subject: Subject) -> dict[str, Any]:
        base = {"version": VERSION, "template": dict(subject.template), "grader": subject.grader_id}
        if (key := self.inputs()) is not None:
            return {**base, "rollouts": key}
        settings = {k: v for k, v in asdict(self).items() if k not in SHARED}  # pyright: ignore[reportArgumentType]
        engine, model = subject.engine.name, subject.chat.id
        return {**base, **settings, "dtype": subject.dtype, "engine": engine, "model": model}

    def rows(self, subject: Subject) -> PoolRows:
        return Samples(self, subject)

    def request(self, subject: Subject, store: Path, num_missing: int) -> PassRateRequest:
        grader = dict(subject.grader)
        return PassRateRequest(
            subject.chat.folder, subject.dtype, store, num_missing, self, subject.engine, grader, subject.plugins
        )

    def owns_device(self, subject: Subject) -> bool:
        return subject.engine.name == "vllm" and self.rollouts is None


@dataclass(frozen=True)
class PassRateRequest:
    """What a rank is asked: at most `num_samples` samples of all ranks together into the store's folder."""

    model: Path
    dtype: str
    store: Path
    num_samples: int
    settings: PassRate
    engine: Engine
    grader: Seam
    plugins: list[str]


class Samples:
    """The samples of one pool; how many a prompt gets depends, in adaptive mode, on those that are stored."""

    def __init__(self, settings: PassRate, subject: Subject) -> None:
        self.settings, self.subject = settings, subject
        self._row_keys: list[str] = []

    def stored(self, store: SignalStore) -> Mapping[str, bool]:
        rows = store.read(None, ("correct",))
        return dict(zip(rows[KEY].to_pylist(), rows["correct"].to_pylist(), strict=True))

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        keys, rollouts = [], self.settings.finished()
        for row in self._rows():
            keys.append(row.key)
            own = self._verdicts(row.key, stored)
            if None in own[: num_needed(own, self.settings.adaptive)]:
                texts = rollouts.completions[row.id] if rollouts else []
                yield {**asdict(row), "verdicts": own, "completions": texts[: len(own)]}, own.count(None)
        self._row_keys = keys  # prompts are rendered once

    def plan(self, store: SignalStore) -> Plan:
        self._row_keys = self._row_keys or [row.key for row in self._rows()]
        stored = self.stored(store) if self.settings.adaptive else {}
        counts = [num_needed(self._verdicts(key, stored), self.settings.adaptive) for key in self._row_keys]
        keys = [sample_key(key, k) for key, count in zip(self._row_keys, counts, strict=True) for k in range(count)]
        return Plan(keys, functools.partial(_rates, np.array(counts)))

    def _rows(self) -> Iterator[Row]:
        for prompt in self.subject.prompts:
            text = self.subject.chat.render(prompt)
            columns = {name: prompt.columns[name] for name in self.subject.grader_columns}
            yield Row.of(prompt.id, text, len(text), prompt.answer, columns)

    def _verdicts(self, row_key: str, stored: Mapping[str, bool]) -> Verdicts:
        return [stored.get(sample_key(row_key, k)) for k in range(self.settings.num_samples)]


def _rates(counts: np.ndarray, found: pa.Table) -> dict[str, np.ndarray]:
    """Pass rates from `counts` samples of each prompt, in the order of the pool."""
    correct = np.add.reduceat(found["correct"].to_numpy().astype(np.int64), np.cumsum(counts) - counts)
    return {"pass_rate": correct / counts, "samples": counts}


@functools.lru_cache(maxsize=2)
def _read_rollouts(path: Path, changed: int) -> Rollouts:
    return read_rollouts(path)
