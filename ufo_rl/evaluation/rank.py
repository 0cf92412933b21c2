"""Completions of a benchmark, a rank's half: generate this rank's share into the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import EngineConfig
from ufo_rl.launch.publish import Batch, SignalRow
from ufo_rl.launch.rank_context import BLOCK_ROWS, RankContext
from ufo_rl.records import Completion


@dataclass(frozen=True)
class CompletionsRequest:
    """What a rank is asked: completions by the model in `model` into the store's folder, each up to the first text of
    `stop`. made_with: kept with each."""

    model: Path
    dtype: str
    store: Path
    temperature: float
    max_completion_tokens: int
    engine: EngineConfig
    made_with: dict[str, Any]
    stop: tuple[str, ...] = ()


def generate(request: CompletionsRequest, context: RankContext) -> dict[str, Any]:
    """The rank function; rows hold key, id, sample, text and seed."""
    from ufo_rl.model.engine import Sampling
    from ufo_rl.model.engine.opening import open_engine

    share, sampling = context.share(), Sampling(request.temperature, request.max_completion_tokens, request.stop)
    engine = open_engine(request.engine, request.model, request.dtype, context.place.device)
    made_with = json.dumps({"device": context.place.device.partition(":")[0], **request.made_with})

    def batches() -> Iterator[Batch]:
        for block in share.blocks(BLOCK_ROWS):
            texts, seeds = [row["text"] for row in block], [row["seed"] for row in block]
            for finished in engine.generate(texts, sampling, seeds):
                yield [_said(block[i], said, made_with) for i, said in finished]

    context.publish(batches(), request.store, len(share), context.progress("completions"))
    return {"peak_memory_gib": context.place.peak_memory_gib(), "without": getattr(engine, "without", {})}


def _said(row: dict[str, Any], said: Completion, made_with: str) -> tuple[SignalRow, dict[str, Any]]:
    """One completion of a benchmark's question, and what is stored of it."""
    tokens = {"generated_tokens": len(said.ids), "finish": said.finish, "made_with": made_with}
    found = {"sample": row["sample"], "completion": said.text, **tokens}
    return SignalRow(row["key"], row["id"], row["text"], len(row["text"]), ""), found
