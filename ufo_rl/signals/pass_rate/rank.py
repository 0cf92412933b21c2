"""Signal `pass_rate`, a rank's half: sample and grade this rank's share of the rows into the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from ufo_rl.config.build import build
from ufo_rl.files.store import sample_key
from ufo_rl.grader import Grader
from ufo_rl.launch.publish import Batch, SignalRow
from ufo_rl.launch.rank_context import BLOCK_ROWS, RankContext
from ufo_rl.model.engine import Sampling
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.engine.opening import open_engine
from ufo_rl.model.weights import load_tokenizer
from ufo_rl.records import Reference
from ufo_rl.signals.flops import generation_facts, weights_of
from ufo_rl.signals.pass_rate.draws import Sampled, replay, sample
from ufo_rl.signals.pass_rate.settings import PassRateRequest


def measure(request: PassRateRequest, context: RankContext) -> dict[str, Any]:
    """The rank function: see `Signal.rank`."""
    settings, share = request.settings, context.share()
    grader = build(request.grader, "grader", request.plugins)
    is_correct = Verdicts(grader, "" if settings.rollouts else request.begun)
    sampling = Sampling(settings.temperature, settings.max_completion_tokens, request.stop)
    tokenizer = load_tokenizer(request.model)
    engine = (
        None if settings.rollouts else open_engine(request.engine, request.model, request.dtype, context.place.device)
    )
    progress, total = context.progress("samples"), -(-request.num_samples // context.place.world_size)

    def batches() -> Iterator[Batch]:
        done = 0
        for block in share.blocks(max(1, BLOCK_ROWS // settings.num_samples)):
            verdicts, texts = [row.pop("verdicts") for row in block], [row.pop("completions") for row in block]
            rows = [SignalRow(**row) for row in block]
            if engine is None:
                lengths = [None] * len(rows)  # nothing is computed
                found = replay([row.reference for row in rows], verdicts, texts, is_correct, settings.adaptive)
            else:
                prompts = [(row.id, row.text, row.reference) for row in rows]
                lengths = [
                    len(ids) for ids in tokenizer([row.text for row in rows], add_special_tokens=False)["input_ids"]
                ]
                found = sample(prompts, verdicts, engine, is_correct, sampling, settings.seed, settings.adaptive)
            for finished in found:
                done += len(finished)
                progress(done, total)
                yield [
                    _sampled(rows[i], one, lengths[i])
                    for i, one in finished
                    if (rows[i].gold, one.completion) not in is_correct.stalled  # it would stay in the store as wrong
                ]
            done += sum(verdict is None for own in verdicts for verdict in own)  # adaptive mode needs them no more
            progress(done, total)

    scored = context.publish(batches(), request.store, total)
    facts = {} if engine is None else _facts(engine)
    grader.close()
    return {
        "num_scored": scored,
        "num_stalled": len(is_correct.stalled),
        "peak_memory_gib": context.place.peak_memory_gib(),
        **facts,
    }


class Verdicts:
    """The grader's, and in `stalled` the answers and completions on which it came to none: for the machine's reasons.

    begun: what the prompt holds of the answer's form already."""

    def __init__(self, grader: Grader, begun: str = "") -> None:
        self.grader, self.begun, self.stalled = grader, begun, set[tuple[str, str]]()

    def __call__(self, reference: Reference, completion: str) -> bool:
        graded = self.grader.grade_all([reference], [self.begun + completion])[0]
        if graded.reason.startswith("stalled"):
            self.stalled.add((reference.answer, completion))
        return graded.correct


def _sampled(row: SignalRow, one: Sampled, num_tokens: int | None) -> tuple[SignalRow, dict[str, Any]]:
    """One sample of a prompt of `num_tokens`, and what is stored of it."""
    return replace(row, key=sample_key(row.key, one.sample)), {**asdict(one), "num_tokens": num_tokens}


def _facts(engine: Any) -> dict[str, Any]:
    """What the cost record of samples needs; of vLLM, which has the device, the weights alone."""
    if isinstance(engine, HFEngine):
        return {**generation_facts(engine.model), "without": engine.without}
    body, head = weights_of(engine.folder)
    return {"body_weights": body, "head_weights": head}
