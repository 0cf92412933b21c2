"""The signals of a run's pool: what is stored, what must be measured, and what it costs."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ufo_rl.config.optional import ask
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import locked
from ufo_rl.files.store import Store
from ufo_rl.launch.stages import Stages, left_out
from ufo_rl.signals.agreement import check_values
from ufo_rl.signals.costs import account, remember
from ufo_rl.signals.protocol import TIMES, Plan, PoolRows, Signal, SignalRequest, Subject, Values
from ufo_rl.stats.intervals import spearman

log = logging.getLogger(__name__)
pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them


class SignalCache:
    """Signals of one pool by one model, behind the stores that all runs share.

    signals: by name, as built. nodes: their YAML nodes. root: folder of the stores."""

    def __init__(
        self,
        signals: Mapping[str, Signal],
        nodes: Mapping[str, dict[str, Any]],
        subject: Subject,
        root: Path,
        stages: Stages,
    ) -> None:
        self.signals, self.nodes, self.subject, self.root, self.stages = signals, nodes, subject, root, stages
        self._rows: dict[str, PoolRows] = {}
        self._found: dict[str, tuple[pa.Table, Values]] = {}

    def collect(self, name: str) -> dict[str, Any]:
        """Measure what the store of `name` lacks for this pool; returns the account of costs."""
        signal, rows, store = self.signals[name], self.rows(name), self.store(name)
        num_prompts = len(self.subject.prompts)
        self.stages.asks(signal.stage, store.key)
        self.stages.uses(store.folder)
        store.create([name for name in signal.stored if name in signal.columns])  # the others may be a target's alone
        results: list[dict[str, Any]] = []
        with locked(store.lock_path, f"the signal {name}"):
            ask(signal, "take_over", self.subject, store)
            stored, num_missing = rows.stored(store), 0

            def missing() -> Iterator[dict[str, Any]]:
                nonlocal num_missing
                for row, count in rows.missing(stored):
                    num_missing += count
                    yield row

            if self.stages.spool(signal.stage, missing()):
                unit = "" if signal.unit == "prompts" else f"{signal.unit} "
                log.info("%s: measuring %d %sof %d prompts", name, num_missing, unit, num_prompts)
                results = self._measure(name, store, num_missing)
                store.compact()
            else:
                log.info("%s: all %d prompts are stored", name, num_prompts)
        found = self.found(name)
        costs = {"num_prompts": num_prompts, **account(found, stored, results, remember(store.folder, results))}
        self.stages.record(signal.stage, **costs)
        if without := left_out(results):
            costs["without"] = without
        if "border" in found.column_names:
            costs["merged_borders"] = _merged_borders(name, found)
        return costs

    def _measure(self, name: str, store: Store, num_missing: int) -> list[dict[str, Any]]:
        """Let the ranks measure what was spooled."""
        signal, subject = self.signals[name], self.subject
        plain = SignalRequest(subject.chat.folder, subject.dtype, store.folder, num_missing, self.nodes[name])
        request = ask(signal, "request", subject, store.folder, num_missing, default=plain)
        owns_device = ask(signal, "owns_device", subject, default=False)
        results = self.stages.run(signal.stage, signal.rank, request, store.key, owns_device)
        if num_stalled := sum(result.get("num_stalled", 0) for result in results):
            raise UserError(
                f"signal {name}: the grader stalled on {num_stalled} completions, twice each: it waits for something, or the "
                "machine is overloaded. All others are stored; run the same command again"
            )
        return results

    def rows(self, name: str) -> PoolRows:
        if name not in self._rows:
            self._rows[name] = self.signals[name].rows(self.subject)
        return self._rows[name]

    def store(self, name: str) -> Store:
        return Store.of(self.root, name, self.signals[name].identity(self.subject))

    def found(self, name: str) -> pa.Table:
        """The stored rows of this pool, in its order. RuntimeError where one is missing: `collect` has not done it all."""
        if not self.is_complete(name):
            found, plan = self._read(name)
            absent = set(plan.keys) - set(found["key"].to_pylist())
            raise RuntimeError(f"{name}: no measurement of {len(absent)} rows, first {min(absent)}")
        return self._found[name][0]

    def is_complete(self, name: str) -> bool:
        """Whether the store has all rows of this pool."""
        if name in self._found:
            return True
        if name not in self.signals or not self.store(name).folder.is_dir():
            return False
        found, plan = self._read(name)
        if len(found) == len(plan.keys):
            self._found[name] = found, plan.values  # not the keys: a pool has many
        return len(found) == len(plan.keys)

    def _read(self, name: str) -> tuple[pa.Table, Plan]:
        store, signal = self.store(name), self.signals[name]
        plan = self.rows(name).plan(store)
        return store.read(plan.keys, ("id", *signal.stored, *TIMES)), plan

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The columns of the named signals, in the order of the pool."""
        columns: dict[str, np.ndarray] = {}
        for name in names:
            found = self.found(name)
            values = self._found[name][1](found)
            check_values(name, self.signals[name], values, len(self.subject.prompts))
            columns |= values
        return columns

    def known(self) -> list[str]:
        """The signals that are stored for the whole pool, needed or not: tables show what is known."""
        return [name for name in self.signals if self.is_complete(name)]

    def correlation(self) -> dict[str, Any] | None:
        """Spearman correlation of confidence and pass rate over the pool (the paper's Table 2), where both are stored."""
        columns = self.columns(self.known())
        if "confidence" not in columns or "pass_rate" not in columns:
            return None
        rho, low, high, n = spearman(columns["confidence"], columns["pass_rate"])
        if math.isnan(rho):  # one of them is the same for all prompts: there is no correlation
            return None
        return {"rho": rho, "ci_low": low, "ci_high": high, "n": n}


def _merged_borders(name: str, found: pa.Table) -> list[str]:
    """Ids of the rows whose first target token carries more than white space of the text before; they are told."""
    ids = found.filter(pc.not_equal(pc.utf8_trim_whitespace(found["border"]), ""))["id"].to_pylist()
    if ids:
        log.warning(
            "%s: in %d of %d prompts the tokenizer merges the target's beginning with the text before, first %s; "
            "their %s covers that text too; listed in metrics.json (signals.%s.merged_borders)",
            name,
            len(ids),
            len(found),
            ids[0],
            name,
            name,
        )
    return ids
