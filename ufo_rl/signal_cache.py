"""The signals of a run's pool: rendered rows, what is stored, what must be measured, and what it costs."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ufo_rl.artifacts import locked
from ufo_rl.intervals import spearman
from ufo_rl.prompts import with_answer
from ufo_rl.reward.answer import VERSION as GRADER_VERSION
from ufo_rl.scoring import Row
from ufo_rl.store import SignalStore

if TYPE_CHECKING:
    from ufo_rl.pipeline import Pipeline

log = logging.getLogger(__name__)

# Raise a version when the numbers of its signal change: old stores are then no longer found.
VERSIONS = {"confidence": 1, "pass_rate": 1}
STAGES = {"confidence": "score", "pass_rate": "pass_rate"}
COLUMNS = {
    "confidence": ("id", "mean_logprob", "num_target_tokens", "num_tokens", "border", "seconds"),
    "pass_rate": ("id", "pass_rate", "num_samples", "num_truncated", "generated_tokens", "seconds"),
}


class SignalCache:
    """Signals of one pool by one model, behind the stores that all runs share."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._rows: dict[str, list[Row]] = {}
        self._found: dict[str, dict[str, dict[str, Any]]] = {}

    def collect(self, name: str) -> dict[str, Any]:
        """Measure what the store of `name` lacks for this pool; returns the account of costs."""
        pipeline, rows, store = self.pipeline, self.rows(name), self.store(name)
        stage = STAGES[name]
        pipeline.keys.add((stage, store.key))
        store.create()
        with locked(store.lock_path, f"the signal {name}"):
            missing = set(store.missing([row.key for row in rows]))
            if missing:
                log.info("%s: measuring %d of %d prompts", name, len(missing), len(rows))
                wanted = [vars(r) for r in rows if r.key in missing]
                pipeline.stage(stage, name, store.key, wanted, store=str(store.folder))
            else:
                log.info("%s: all %d prompts are stored", name, len(rows))
        found = self.found(name)
        absent = [row.id for row in rows if row.key not in found]
        if absent:
            raise RuntimeError(f"{name}: no measurement of {len(absent)} prompts, first {absent[0]}")
        measured = [found[row.key] for row in rows if row.key in missing]
        account: dict[str, Any] = {
            "num_scored": len(measured),
            "num_cached": len(rows) - len(measured),
            "forward_tokens": sum(row.get("num_tokens", 0) for row in measured),
            "generated_tokens": sum(row.get("generated_tokens", 0) for row in measured),
            "cost_seconds": sum(found[row.key]["seconds"] for row in rows),  # wall, when it was measured
        }
        if name == "confidence":
            account["merged_borders"] = [found[row.key]["id"] for row in rows if found[row.key]["border"].strip()]
        pipeline.record(stage, **{k: v for k, v in account.items() if not isinstance(v, list)})
        return account

    def store(self, name: str) -> SignalStore:
        """The store whose key is everything that the signal's numbers depend on but the prompts themselves."""
        plain, config = self.pipeline.plain, self.pipeline.config
        settings = {k: v for k, v in plain["signal"][name].items() if not k.startswith("batch_")}
        identity = {
            "version": VERSIONS[name],
            "model": self.pipeline.model_id,
            "template": plain["template"],
            **settings,
        }
        if name == "confidence":
            identity["dtype"] = settings["dtype"] or config.model.dtype
        else:
            identity |= {
                "dtype": config.model.dtype,
                "engine": config.engine.name,
                "grader": [GRADER_VERSION, plain["reward"]["grader"]],
            }
        return SignalStore(self.pipeline.cache / "signals", name, identity)

    def rows(self, name: str) -> list[Row]:
        """The rendered prompts, in the order of the pool."""
        if name not in self._rows:
            self._rows[name] = [
                self._row(name, prompt.id, self.pipeline.render(prompt), prompt.answer)
                for prompt in self.pipeline.prompts
            ]
        return self._rows[name]

    @staticmethod
    def _row(name: str, prompt_id: str, text: str, answer: str) -> Row:
        if name == "confidence":
            scored, start = with_answer(text, answer)
            return Row.of(prompt_id, scored, start, answer)
        return Row.of(prompt_id, text, len(text), answer)

    def found(self, name: str) -> dict[str, dict[str, Any]]:
        """Stored rows of this pool by key; complete after `collect`."""
        if len(self._found.get(name, {})) < len(self.pipeline.prompts):
            self._found[name] = self.store(name).read([row.key for row in self.rows(name)], COLUMNS[name])
        return self._found[name]

    def is_complete(self, name: str) -> bool:
        if self.pipeline.plain["signal"].get(name) is None:
            return False
        return self.store(name).folder.is_dir() and len(self.found(name)) == len({r.key for r in self.rows(name)})

    def columns(self) -> dict[str, np.ndarray]:
        """The columns that the selector needs, in the order of the pool."""
        return self._columns(self.pipeline.prepared.selector.signals)

    def all_columns(self) -> dict[str, np.ndarray]:
        """The columns of every signal that is stored for the whole pool, needed or not: tables show what is known."""
        return self._columns([name for name in VERSIONS if self.is_complete(name)])

    def _columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        prompts = self.pipeline.prompts
        columns = {"id": np.array([prompt.id for prompt in prompts])}
        if any(prompt.level for prompt in prompts):
            columns["level"] = np.array([prompt.level for prompt in prompts])
        for name in names:
            found = self.found(name)
            rows = [found[row.key] for row in self.rows(name)]
            if name == "confidence":
                columns["mean_logprob"] = np.array([row["mean_logprob"] for row in rows])
                columns["confidence"] = np.exp(columns["mean_logprob"])
                columns["num_target_tokens"] = np.array([row["num_target_tokens"] for row in rows])
                columns["tokens"] = np.array([row["num_tokens"] for row in rows])
            else:
                columns["pass_rate"] = np.array([row["pass_rate"] for row in rows])
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
