"""The rows of a run's pool for each signal: what is asked of the model, under which keys it is stored, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ufo_rl.config.schema import Confidence, PassRate
from ufo_rl.files.store import KEY, SignalStore, sample_key
from ufo_rl.grader.math.answer import VERSION as GRADER_VERSION
from ufo_rl.launch.publish import Row
from ufo_rl.model.engine.vllm_fields import decides
from ufo_rl.model.template import scored_text
from ufo_rl.signals.costs import TIMES, TOKENS
from ufo_rl.signals.pass_rate.sampling import Verdicts, num_needed

if TYPE_CHECKING:
    from ufo_rl.experiment.pipeline import Pipeline

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them
VERSION = 3  # raise it when the numbers of a signal change: old stores are then no longer found


class SignalRows(Protocol):
    """`stage` of the journal, `unit` of what is counted, `columns` of the store that are read."""

    stage: str
    unit: str
    columns: tuple[str, ...]

    def identity(self) -> dict[str, Any]:
        """Everything that the signal's numbers depend on but the prompts themselves."""
        ...

    def keys(self, store: SignalStore) -> list[str]:
        """The store's keys of the pool, in its order: those that are there and those that must be measured."""
        ...

    def stored(self, store: SignalStore) -> Mapping[str, bool]:
        """The keys of what is stored, of this pool and of others; of samples with their verdicts."""
        ...

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        """What the ranks must be given, a row at a time, and how many measurements each asks for at most."""
        ...

    def values(self, found: pa.Table) -> dict[str, np.ndarray]:
        """The selector's columns from the stored rows, in the order of the pool."""
        ...


class ConfidenceRows:
    stage, unit = "score", "prompts"
    columns: tuple[str, ...] = ("id", "mean_logprob", "sum_logprob", "min_logprob", *TOKENS, "border", *TIMES)

    def __init__(self, pipeline: Pipeline, settings: Confidence) -> None:
        self.pipeline, self.settings = pipeline, settings
        self._keys: list[str] = []

    def identity(self) -> dict[str, Any]:
        plain, model = dict(self.pipeline.plain["signal"]["confidence"]), self.pipeline.model_id
        is_response = self.settings.target == "response"
        for key in ("batch_size", "batch_tokens", "reduction", *(() if is_response else ("max_response_tokens",))):
            del plain[key]
        if not is_response:
            model = {key: value for key, value in model.items() if key != "generation"}
        plain["engine"] = decides(self.settings.engine, self.pipeline.config.engine.vllm)
        dtype = self.settings.dtype or self.pipeline.config.model.dtype
        template = self.pipeline.plain["template"]
        return {"version": VERSION, "template": template, **plain, "dtype": dtype, "model": model}

    def _rows(self) -> Iterator[Row]:
        for prompt in self.pipeline.prompts:
            text = self.pipeline.render(prompt)
            yield Row.of(prompt.id, *scored_text(self.settings.target, text, prompt), prompt.answer)

    def keys(self, store: SignalStore) -> list[str]:
        self._keys = self._keys or [row.key for row in self._rows()]
        return self._keys

    def stored(self, store: SignalStore) -> Mapping[str, bool]:
        return dict.fromkeys(store.keys(), True)

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        keys = []
        for row in self._rows():
            keys.append(row.key)
            if row.key not in stored:
                yield asdict(row), 1
        self._keys = keys  # prompts are rendered once

    def values(self, found: pa.Table) -> dict[str, np.ndarray]:
        reduced = f"{self.settings.reduction}_logprob"
        columns = {name: found[name].to_numpy() for name in dict.fromkeys(("mean_logprob", reduced))}
        return {
            **columns,
            "log_confidence": columns[reduced],  # exp of it may be 0 for sums over long targets
            "confidence": np.exp(columns[reduced]),
            "num_target_tokens": found["num_target_tokens"].to_numpy(),
            "tokens": found["num_tokens"].to_numpy(),
        }


class PassRateRows:
    stage, unit = "pass_rate", "samples"
    columns: tuple[str, ...] = ("id", "correct", "truncated", "num_tokens", "generated_tokens", *TIMES)

    def __init__(self, pipeline: Pipeline, settings: PassRate) -> None:
        self.pipeline, self.settings = pipeline, settings
        self._row_keys: list[str] = []
        self.counts: list[int] = []  # samples of each prompt, in the order of the pool

    def identity(self) -> dict[str, Any]:
        plain = self.pipeline.plain
        base = {
            "version": VERSION,
            "template": plain["template"],
            "grader": [GRADER_VERSION, plain["reward"]["grader"]],
        }
        rollouts = self.pipeline.prepared.rollouts
        if rollouts is not None:
            return {**base, "rollouts": rollouts.key}
        settings = dict(plain["signal"]["pass_rate"])
        for key in ("num_samples", "adaptive", "rollouts"):
            del settings[key]
        config = self.pipeline.config
        return {
            **base,
            **settings,
            "dtype": config.model.dtype,
            "engine": decides(config.engine.name, config.engine.vllm),
            "model": self.pipeline.model_id,
        }

    def _rows(self) -> Iterator[Row]:
        for prompt in self.pipeline.prompts:
            text = self.pipeline.render(prompt)
            yield Row.of(prompt.id, text, len(text), prompt.answer)

    def stored(self, store: SignalStore) -> Mapping[str, bool]:
        rows = store.read(None, ("correct",))
        return dict(zip(rows[KEY].to_pylist(), rows["correct"].to_pylist(), strict=True))

    def _verdicts(self, row_key: str, stored: Mapping[str, bool]) -> Verdicts:
        return [stored.get(sample_key(row_key, k)) for k in range(self.settings.num_samples)]

    def keys(self, store: SignalStore) -> list[str]:
        self._row_keys = self._row_keys or [row.key for row in self._rows()]
        stored = self.stored(store) if self.settings.adaptive else {}
        self.counts = [num_needed(self._verdicts(key, stored), self.settings.adaptive) for key in self._row_keys]
        return [
            sample_key(key, k) for key, count in zip(self._row_keys, self.counts, strict=True) for k in range(count)
        ]

    def missing(self, stored: Mapping[str, bool]) -> Iterator[tuple[dict[str, Any], int]]:
        keys, rollouts = [], self.pipeline.prepared.rollouts
        for row in self._rows():
            keys.append(row.key)
            own = self._verdicts(row.key, stored)
            if None in own[: num_needed(own, self.settings.adaptive)]:
                texts = rollouts.completions[row.id] if rollouts else []
                yield {**asdict(row), "verdicts": own, "completions": texts[: len(own)]}, own.count(None)
        self._row_keys = keys

    def values(self, found: pa.Table) -> dict[str, np.ndarray]:
        counts = np.array(self.counts)
        correct = np.add.reduceat(found["correct"].to_numpy().astype(np.int64), np.cumsum(counts) - counts)
        return {"pass_rate": correct / counts, "samples": counts}
