"""The signals of a run's pool: rendered rows, what is stored, what must be measured, and what it costs."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ufo_rl.artifacts import locked
from ufo_rl.intervals import spearman
from ufo_rl.prompts import scored_text
from ufo_rl.reward.answer import VERSION as GRADER_VERSION
from ufo_rl.scoring import Row
from ufo_rl.store import SignalStore

if TYPE_CHECKING:
    from ufo_rl.pipeline import Pipeline

log = logging.getLogger(__name__)
pc: Any = pyarrow.compute  # its functions are made at import, where type checkers do not see them

# Raise a version when the numbers of its signal change: old stores are then no longer found.
VERSIONS = {"confidence": 2, "pass_rate": 2}
STAGES = {"confidence": "score", "pass_rate": "pass_rate"}
COSTS = ("num_tokens", "prefix_tokens", "padded_tokens", "num_target_tokens")
COLUMNS = {
    "confidence": ("id", "mean_logprob", "sum_logprob", "min_logprob", *COSTS, "generated_tokens", "border", "seconds"),
    "pass_rate": ("id", "correct", "truncated", "generated_tokens", "seconds"),
}


def sample_key(row_key: str, sample: int) -> str:
    """The key of one sample of a row: K of them make a pass rate."""
    return f"{row_key}-{sample}"


class SignalCache:
    """Signals of one pool by one model, behind the stores that all runs share."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._keys: dict[str, list[str]] = {}
        self._found: dict[str, pa.Table] = {}

    def collect(self, name: str) -> dict[str, Any]:
        """Measure what the store of `name` lacks for this pool; returns the account of costs."""
        pipeline, store, stage = self.pipeline, self.store(name), STAGES[name]
        pipeline.keys.add((stage, store.key))
        store.create()
        results: list[dict[str, Any]] = []
        with locked(store.lock_path, f"the signal {name}"):
            stored = store.keys()
            num_rows = pipeline.spool(stage, self._missing(name, stored))
            num_missing = sum(key not in stored for key in self.keys(name))
            if num_rows:
                what = f"{num_missing} of {len(self.keys(name))} {'prompts' if name == 'confidence' else 'samples'}"
                log.info("%s: measuring %s", name, what)
                request = {"store": str(store.folder), "num_samples": num_missing}
                results = pipeline.stage(stage, name, store.key, **request)
                store.compact()
            else:
                log.info("%s: all %d prompts are stored", name, len(pipeline.prompts))
        account = self._account(name, stored, results)
        pipeline.record(stage, **{k: v for k, v in account.items() if not isinstance(v, list)})
        return account

    def store(self, name: str) -> SignalStore:
        """The store whose key is everything that the signal's numbers depend on but the prompts themselves."""
        plain, config = self.pipeline.plain, self.pipeline.config
        settings, model = dict(plain["signal"][name]), self.pipeline.model_id
        identity: dict[str, Any] = {"version": VERSIONS[name], "template": plain["template"]}
        if name == "confidence":
            is_response = settings["target"] == "response"
            for key in ("batch_size", "batch_tokens", "reduction", *(() if is_response else ("max_response_tokens",))):
                del settings[key]
            if not is_response:
                model = {key: value for key, value in model.items() if key != "generation"}
            identity |= {**settings, "dtype": settings["dtype"] or config.model.dtype}
        else:
            del settings["num_samples"]
            identity |= {
                **settings,
                "dtype": config.model.dtype,
                "engine": config.engine.name,
                "grader": [GRADER_VERSION, plain["reward"]["grader"]],
            }
        return SignalStore(self.pipeline.cache / "signals", name, {**identity, "model": model})

    def keys(self, name: str) -> list[str]:
        """The keys of the pool's rows in its order; of pass rates K in turn for each prompt."""
        if name not in self._keys:
            self._keys[name] = [key for row in self._rows(name) for key in self._row_keys(name, row)]
        return self._keys[name]

    def _row_keys(self, name: str, row: Row) -> list[str]:
        settings = self.pipeline.config.signal.pass_rate
        if name == "confidence" or settings is None:
            return [row.key]
        return [sample_key(row.key, k) for k in range(settings.num_samples)]

    def _rows(self, name: str) -> Iterator[Row]:
        """The rendered prompts, one at a time, in the order of the pool."""
        settings = self.pipeline.config.signal.confidence
        for prompt in self.pipeline.prompts:
            text = self.pipeline.render(prompt)
            if name == "confidence" and settings is not None:
                yield Row.of(prompt.id, *scored_text(settings.target, text, prompt), prompt.answer)
            else:
                yield Row.of(prompt.id, text, len(text), prompt.answer)

    def _missing(self, name: str, stored: set[str]) -> Iterator[dict[str, Any]]:
        """What the ranks must measure; fills in the keys of the pool on the way, so that prompts are rendered once."""
        keys: list[str] = []
        for row in self._rows(name):
            own = self._row_keys(name, row)
            keys += own
            missing = [k for k, key in enumerate(own) if key not in stored]
            if missing:
                yield asdict(row) if name == "confidence" else {**asdict(row), "samples": missing}
        self._keys[name] = keys

    def found(self, name: str) -> pa.Table:
        """Stored rows of this pool in the order of `keys`; complete after `collect`."""
        if name not in self._found or len(self._found[name]) < len(self.keys(name)):
            self._found[name] = self.store(name).read(self.keys(name), COLUMNS[name])
        return self._found[name]

    def is_complete(self, name: str) -> bool:
        if self.pipeline.plain["signal"].get(name) is None or not self.store(name).folder.is_dir():
            return False
        return len(self.found(name)) == len(self.keys(name))

    def columns(self) -> dict[str, np.ndarray]:
        """The columns that the selector needs, in the order of the pool."""
        return self._columns(self.pipeline.prepared.selector.signals)

    def all_columns(self) -> dict[str, np.ndarray]:
        """The columns of every signal that is stored for the whole pool, needed or not: tables show what is known."""
        return self._columns([name for name in VERSIONS if self.is_complete(name)])

    def _columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        prompts, signals = self.pipeline.prompts, self.pipeline.config.signal
        columns = {"id": np.array([prompt.id for prompt in prompts])}
        if any(prompt.level for prompt in prompts):
            columns["level"] = np.array([prompt.level for prompt in prompts])
        for name in names:
            found = self.found(name)
            if name == "confidence" and signals.confidence is not None:
                reduced = f"{signals.confidence.reduction}_logprob"
                for column in dict.fromkeys(("mean_logprob", reduced)):
                    columns[column] = found[column].to_numpy()
                columns["confidence"] = np.exp(columns[reduced])
                columns["num_target_tokens"] = found["num_target_tokens"].to_numpy()
                columns["tokens"] = found["num_tokens"].to_numpy()
            elif signals.pass_rate is not None:
                correct = found["correct"].to_numpy().reshape(len(prompts), signals.pass_rate.num_samples)
                columns["pass_rate"] = correct.mean(axis=1)
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

    def _account(self, name: str, stored: set[str], results: list[dict[str, Any]]) -> dict[str, Any]:
        """What this run measured, and what the whole pool cost when it was measured."""
        found, num_keys = self.found(name), len(self.keys(name))
        if len(found) < num_keys:
            absent = set(self.keys(name)) - set(found["key"].to_pylist())
            raise RuntimeError(f"{name}: no measurement of {len(absent)} rows, first {min(absent)}")
        fresh = found.filter(pc.invert(pc.is_in(found["key"], value_set=pa.array(stored, pa.string()))))
        account: dict[str, Any] = {
            "num_scored": len(fresh),
            "num_cached": num_keys - len(fresh),
            "num_prompts": len(self.pipeline.prompts),
            **_tokens(fresh),
            "cost_seconds": total(found, "seconds"),  # wall, when it was measured
            **{f"cost_{key}": value for key, value in _tokens(found).items()},
        }
        if results:
            account["peak_memory_gib"] = max(result["peak_memory_gib"] for result in results)
        if name == "confidence":
            merged = pc.not_equal(pc.utf8_trim_whitespace(found["border"]), "")
            account["merged_borders"] = found.filter(merged)["id"].to_pylist()
            account |= _arithmetic(fresh, results)
        return account


def total(table: pa.Table, column: str) -> Any:
    """Sum of a column; 0 where it is missing or empty."""
    return (pc.sum(table[column]).as_py() or 0) if column in table.column_names else 0


def _tokens(rows: pa.Table) -> dict[str, int]:
    """Tokens of the rows: computed forward (padding included, the last of each text and the shared prefix not), of
    these padding, saved by the prefix, and generated."""
    prefix, padded = total(rows, "prefix_tokens"), total(rows, "padded_tokens")
    own = total(rows, "num_tokens") - (len(rows) if "num_tokens" in rows.column_names else 0)
    return {
        "forward_tokens": own - prefix + padded,
        "padded_tokens": padded,
        "prefix_tokens": prefix,
        "generated_tokens": total(rows, "generated_tokens"),
    }


def _arithmetic(fresh: pa.Table, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Operations of the measured rows, and which share of the ranks' matrix rate they reached (start included)."""
    if not results or "body_parameters" not in results[0]:
        return {}
    body, head = results[0]["body_parameters"], results[0]["head_parameters"]
    flops = 2.0 * (body * _tokens(fresh)["forward_tokens"] + head * total(fresh, "num_target_tokens"))
    rate, seconds = sum(result["matrix_flops_per_s"] for result in results), total(fresh, "seconds")
    return {"flops": flops, "matrix_flops_per_s": rate, "share_of_matrix_rate": flops / (seconds * rate)}
