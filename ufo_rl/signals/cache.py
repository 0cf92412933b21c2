"""The signals of a run's pool: what is stored, what must be measured, and what it costs."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ufo_rl.files.atomic import locked
from ufo_rl.files.store import SignalStore
from ufo_rl.signals.costs import account, remember
from ufo_rl.signals.rows_of_signals import ConfidenceRows, PassRateRows, SignalRows
from ufo_rl.stats.intervals import spearman

if TYPE_CHECKING:
    from ufo_rl.experiment.pipeline import Pipeline

log = logging.getLogger(__name__)
pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them


class SignalCache:
    """Signals of one pool by one model, behind the stores that all runs share."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        signals = pipeline.config.signal
        self.rows: dict[str, SignalRows] = {}
        if signals.confidence is not None:
            self.rows["confidence"] = ConfidenceRows(pipeline, signals.confidence)
        if signals.pass_rate is not None:
            self.rows["pass_rate"] = PassRateRows(pipeline, signals.pass_rate)
        self._found: dict[str, pa.Table] = {}

    def collect(self, name: str) -> dict[str, Any]:
        """Measure what the store of `name` lacks for this pool; returns the account of costs."""
        pipeline, rows, store = self.pipeline, self.rows[name], self.store(name)
        pipeline.keys.add((rows.stage, store.key))
        store.create()
        results: list[dict[str, Any]] = []
        with locked(store.lock_path, f"the signal {name}"):
            stored, num_missing = rows.stored(store), 0

            def missing() -> Iterator[dict[str, Any]]:
                nonlocal num_missing
                for row, count in rows.missing(stored):
                    num_missing += count
                    yield row

            if pipeline.spool(rows.stage, missing()):
                unit = "" if rows.unit == "prompts" else f"{rows.unit} "
                log.info("%s: measuring %d %sof %d prompts", name, num_missing, unit, len(pipeline.prompts))
                request = {"store": str(store.folder), "num_samples": num_missing}
                results = pipeline.stage(rows.stage, name, store.key, **request)
                store.compact()
            else:
                log.info("%s: all %d prompts are stored", name, len(pipeline.prompts))
        found = self.found(name)
        costs = {
            "num_prompts": len(pipeline.prompts),
            **account(found, stored, results, remember(store.folder, results)),
        }
        pipeline.record(rows.stage, **costs)
        if name == "confidence":
            costs["merged_borders"] = _merged_borders(found)
        return costs

    def store(self, name: str) -> SignalStore:
        return SignalStore(self.pipeline.cache / "signals", name, self.rows[name].identity())

    def found(self, name: str) -> pa.Table:
        """The stored rows of this pool, in its order. RuntimeError where one is missing: `collect` has not done it all."""
        if name not in self._found:
            found, keys = self._read(name)
            if len(found) < len(keys):
                absent = set(keys) - set(found["key"].to_pylist())
                raise RuntimeError(f"{name}: no measurement of {len(absent)} rows, first {min(absent)}")
            self._found[name] = found
        return self._found[name]

    def _read(self, name: str) -> tuple[pa.Table, list[str]]:
        rows, store = self.rows[name], self.store(name)
        keys = rows.keys(store)
        return store.read(keys, rows.columns), keys

    def is_complete(self, name: str) -> bool:
        if name in self._found:
            return True
        if name not in self.rows or not self.store(name).folder.is_dir():
            return False
        found, keys = self._read(name)
        if len(found) == len(keys):
            self._found[name] = found
        return len(found) == len(keys)

    def columns(self) -> dict[str, np.ndarray]:
        """The columns that the selector needs, in the order of the pool."""
        return self._columns(self.pipeline.prepared.selector.signals)

    def all_columns(self) -> dict[str, np.ndarray]:
        """The columns of every signal that is stored for the whole pool, needed or not: tables show what is known."""
        return self._columns([name for name in self.rows if self.is_complete(name)])

    def _columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        prompts = self.pipeline.prompts
        columns = {"id": np.array([prompt.id for prompt in prompts])}
        if any(prompt.level for prompt in prompts):
            columns["level"] = np.array([prompt.level for prompt in prompts])
        for name in names:
            columns |= self.rows[name].values(self.found(name))
        return columns

    def correlation(self) -> dict[str, Any] | None:
        """Spearman correlation of confidence and pass rate over the pool (the paper's Table 2), where both are stored."""
        columns = self.all_columns()
        if "confidence" not in columns or "pass_rate" not in columns:
            return None
        rho, low, high, n = spearman(columns["confidence"], columns["pass_rate"])
        if math.isnan(rho):  # one of them is the same for all prompts: there is no correlation
            return None
        return {"rho": rho, "ci_low": low, "ci_high": high, "n": n}


def _merged_borders(found: pa.Table) -> list[str]:
    """Ids of the rows whose first target token carries more than white space of the text before; they are told."""
    ids = found.filter(pc.not_equal(pc.utf8_trim_whitespace(found["border"]), ""))["id"].to_pylist()
    if ids:
        log.warning(
            "confidence: in %d of %d prompts the tokenizer merges the target's beginning with the text before, first %s; "
            "their confidence covers that text too; listed in metrics.json (signals.confidence.merged_borders)",
            len(ids),
            len(found),
            ids[0],
        )
    return ids
