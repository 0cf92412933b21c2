"""Signal `confidence`, a rank's half: score this rank's share of the rows into the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain, islice
from typing import Any

from ufo_rl.launch.publish import Batch as Published
from ufo_rl.launch.publish import SignalRow
from ufo_rl.launch.rank_context import BLOCK_ROWS, RankContext
from ufo_rl.launch.spool import ahead
from ufo_rl.model.engine.opening import open_engine
from ufo_rl.model.weights import load_tokenizer, pad_id
from ufo_rl.signals.confidence.measure import Batch, Measured
from ufo_rl.signals.confidence.scorers import OwnScorer, VLLMScorer
from ufo_rl.signals.confidence.settings import ConfidenceRequest
from ufo_rl.signals.confidence.spans import Encoded, encode


def measure(request: ConfidenceRequest, context: RankContext) -> dict[str, Any]:
    """The rank function: see `Signal.rank`."""
    settings, share = request.settings, context.share()
    tokenizer = load_tokenizer(request.model)
    scorer = open_scorer(request, context.place.device, tokenizer)

    def encoded() -> Iterator[tuple[list[SignalRow], list[Encoded], list[str]]]:
        for block in share.blocks(BLOCK_ROWS):
            rows = [SignalRow(**row) for row in block]
            texts = [row.text for row in rows]
            if settings.target != "response":
                yield rows, encode(tokenizer, texts, [row.target_start for row in rows]), []
                continue
            prompts = tokenizer(texts, add_special_tokens=False)["input_ids"]
            for part in scorer.respond(texts, prompts, settings.max_response_tokens, request.stop):
                answered = [Encoded([*prompts[i], *said.ids], len(said.ids), "") for i, said in part]
                yield [rows[i] for i, _ in part], answered, [said.text for _, said in part]

    blocks = encoded()
    if settings.target != "response":
        first = list(islice(blocks, 1))
        for _, block, _ in first:
            scorer.warm_up(block)
        blocks = ahead(chain(first, blocks))

    def batches() -> Iterator[Published]:
        for rows, block, said in blocks:
            measured: Iterable[Batch] = scorer.measure(block)
            if said:  # what was generated together is one batch: its time is everyone's
                measured = [[item for batch in measured for item in batch]]
            for batch in measured:
                yield [
                    (rows[i], _columns(m, settings.keep_token_logprobs, said[i] if said else None)) for i, m in batch
                ]

    scored = context.publish(batches(), request.store, len(share), context.progress("prompts"))
    return {"num_scored": scored, "peak_memory_gib": context.place.peak_memory_gib(), **scorer.facts()}


def open_scorer(request: ConfidenceRequest, device: str, tokenizer: Any) -> OwnScorer | VLLMScorer:
    """Who computes, with the model loaded."""
    settings, is_vllm = request.settings, request.settings.engine == "vllm"
    engine: Any = open_engine(
        replace(request.engine, name="vllm" if is_vllm else "hf"), request.model, request.dtype, device
    )
    if is_vllm:
        return VLLMScorer(engine)
    return OwnScorer(engine.model, engine, pad_id(tokenizer), settings.batch_tokens, settings.batch_size)


def _columns(measured: Measured, keeps_tokens: bool, response: str | None) -> dict[str, Any]:
    """What is stored of a measurement."""
    columns = asdict(measured)
    if not keeps_tokens:
        del columns["token_logprobs"]
    if response is not None:
        columns |= {"response": response, "generated_tokens": measured.num_target_tokens}
    return columns
