"""What a rank does for each kind of stage: open the model, call the stage, publish. Paths and ranks end here."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ufo_rl.config.schema import Confidence, Config
from ufo_rl.files.journal import Journal
from ufo_rl.files.store import SignalStore, sample_key
from ufo_rl.grader.math.answer import Grader
from ufo_rl.launch.place import Ranks
from ufo_rl.launch.publish import Row, score
from ufo_rl.launch.spool import Share, ahead, read_rows
from ufo_rl.model.engine import Sampling
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer, pad_id
from ufo_rl.records import Completion
from ufo_rl.training.rank import training

if TYPE_CHECKING:
    from ufo_rl.signals.confidence.measure import Batch, Measured
    from ufo_rl.signals.pass_rate.sampling import Sampled

Request = dict[str, Any]
PROGRESS_EVERY_S = 1.0
BLOCK_ROWS = 4096  # rows, or samples, in memory at a time


def journal_of(request: Request) -> Journal:
    return Journal(Path(request["journal"]), request["stage"], request["attempt"])


def startup_seconds(request: Request) -> float:
    """Wall seconds since the parent asked for the stage: start of the ranks and loading of the model."""
    return max(0.0, time.time() - request["asked"])


def progress_of(request: Request, ranks: Ranks, unit: str) -> Callable[[int, int], None]:
    """Progress of all ranks, estimated by the first: shares are equal. Throttled."""
    journal, last = journal_of(request), [0.0]

    def progress(done: int, total: int) -> None:
        now = time.monotonic()
        if ranks.is_first and (now - last[0] >= PROGRESS_EVERY_S or done == total):
            last[0] = now
            journal.progress(done * ranks.world_size, total * ranks.world_size, unit)

    return progress


def confidence(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Score this rank's share of the rows into the store."""
    from ufo_rl.signals.confidence.spans import Encoded, encode

    folder, settings = Path(request["model"]), config.signal.confidence
    assert settings is not None  # the parent asks for chosen signals only
    tokenizer, share = load_tokenizer(folder), Share(Path(request["rows"]), ranks)
    scorer = _scorer(config, settings, folder, tokenizer, ranks)

    def encoded() -> Iterator[tuple[list[Row], list[Encoded], list[str]]]:
        for block in share.blocks(BLOCK_ROWS):
            rows = [Row(**row) for row in block]
            texts = [row.text for row in rows]
            if settings.target != "response":
                yield rows, encode(tokenizer, texts, [row.target_start for row in rows]), []
                continue
            prompts = tokenizer(texts, add_special_tokens=False)["input_ids"]
            for part in scorer.respond(texts, prompts, settings.max_response_tokens):
                answered = [Encoded([*prompts[i], *said.ids], len(said.ids), "") for i, said in part]
                yield [rows[i] for i, _ in part], answered, [said.text for _, said in part]

    def batches() -> Iterator[list[tuple[Row, dict[str, Any]]]]:
        for rows, block, said in encoded() if settings.target == "response" else ahead(encoded()):
            measured: Iterable[Batch] = scorer.measure(block)
            if said:  # what was generated together is one batch: its time is everyone's
                measured = [[item for batch in measured for item in batch]]
            for batch in measured:
                yield [
                    (rows[i], _columns(m, settings.keep_token_logprobs, said[i] if said else None)) for i, m in batch
                ]

    store, progress = SignalStore.at(Path(request["store"])), progress_of(request, ranks, "prompts")
    scored = score(batches(), store, len(share), startup_seconds(request), ranks.world_size, progress)
    return {"num_scored": scored, "peak_memory_gib": ranks.peak_memory_gib(), **scorer.facts()}


def pass_rate(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Sample and grade this rank's share of the rows into the store, one row a sample."""
    from ufo_rl.signals.pass_rate.sampling import replay, sample

    settings = config.signal.pass_rate
    assert settings is not None  # the parent asks for chosen signals only
    share, is_correct = Share(Path(request["rows"]), ranks), partial(_is_correct, _grader(config))
    sampling = Sampling(settings.temperature, settings.max_completion_tokens)
    folder = Path(request["model"])
    tokenizer, engine = load_tokenizer(folder), None if settings.rollouts else _engine(config, folder, ranks)
    progress, total = progress_of(request, ranks, "samples"), -(-request["num_samples"] // ranks.world_size)

    def batches() -> Iterator[list[tuple[Row, dict[str, Any]]]]:
        done = 0
        for block in share.blocks(max(1, BLOCK_ROWS // settings.num_samples)):
            verdicts, texts = [row.pop("verdicts") for row in block], [row.pop("completions") for row in block]
            rows = [Row(**row) for row in block]
            if engine is None:
                lengths = [None] * len(rows)  # nothing is computed
                found = replay([row.gold for row in rows], verdicts, texts, is_correct, settings.adaptive)
            else:
                prompts = [(row.id, row.text, row.gold) for row in rows]
                lengths = [
                    len(ids) for ids in tokenizer([row.text for row in rows], add_special_tokens=False)["input_ids"]
                ]
                found = sample(prompts, verdicts, engine, is_correct, sampling, settings.seed, settings.adaptive)
            for finished in found:
                done += len(finished)
                progress(done, total)
                yield [_sampled(rows[i], one, lengths[i]) for i, one in finished]
            done += sum(verdict is None for own in verdicts for verdict in own)  # adaptive mode needs them no more
            progress(done, total)

    store, startup = SignalStore.at(Path(request["store"])), startup_seconds(request)
    scored = score(batches(), store, total, startup, ranks.world_size)
    facts = {} if engine is None else _facts(engine)
    return {"num_scored": scored, "peak_memory_gib": ranks.peak_memory_gib(), **facts}


def _sampled(row: Row, one: Sampled, num_tokens: int | None) -> tuple[Row, dict[str, Any]]:
    """One sample of a prompt of `num_tokens`, and what is stored of it."""
    return replace(row, key=sample_key(row.key, one.sample)), {**asdict(one), "num_tokens": num_tokens}


def completions(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Generate this rank's share of a benchmark's completions into the store."""
    share, folder = Share(Path(request["rows"]), ranks), Path(request["model"])
    sampling = Sampling(request["temperature"], request["max_completion_tokens"])
    engine, progress = _engine(config, folder, ranks), progress_of(request, ranks, "completions")
    made_with = json.dumps({"device": ranks.device.partition(":")[0], **request["made_with"]})

    def batches() -> Iterator[list[tuple[Row, dict[str, Any]]]]:
        for block in share.blocks(BLOCK_ROWS):
            texts, seeds = [row["text"] for row in block], [row["seed"] for row in block]
            for finished in engine.generate(texts, sampling, seeds):
                yield [_said(block[i], said, made_with) for i, said in finished]

    store, startup = SignalStore.at(Path(request["store"])), startup_seconds(request)
    count = score(batches(), store, len(share), startup, ranks.world_size, progress)
    return {"num_completions": count, "peak_memory_gib": ranks.peak_memory_gib()}


def _said(row: dict[str, Any], said: Completion, made_with: str) -> tuple[Row, dict[str, Any]]:
    """One completion of a benchmark's question, and what is stored of it."""
    tokens = {"generated_tokens": len(said.ids), "finish": said.finish, "made_with": made_with}
    found = {"sample": row["sample"], "completion": said.text, **tokens}
    return Row(row["key"], row["id"], row["text"], len(row["text"]), ""), found


def _scorer(config: Config, settings: Confidence, folder: Path, tokenizer: Any, ranks: Ranks) -> Any:
    from ufo_rl.signals.confidence.scorers import OwnScorer, VLLMScorer

    if settings.engine == "vllm":
        return VLLMScorer(_vllm(config, folder, settings.dtype or config.model.dtype))
    model = load_model(folder, settings.dtype or config.model.dtype, ranks.device)
    engine = HFEngine(model, tokenizer, config.engine.batch_tokens, end_ids(folder, tokenizer))
    return OwnScorer(model, engine, pad_id(tokenizer), settings.batch_tokens, settings.batch_size)


def _columns(measured: Measured, keeps_tokens: bool, response: str | None) -> dict[str, Any]:
    """What is stored of a measurement."""
    columns = asdict(measured)
    if not keeps_tokens:
        del columns["token_logprobs"]
    if response is not None:
        columns |= {"response": response, "generated_tokens": measured.num_target_tokens}
    return columns


def _engine(config: Config, folder: Path, ranks: Ranks) -> Any:
    tokenizer, settings = load_tokenizer(folder), config.engine
    ends = end_ids(folder, tokenizer)
    if settings.name == "vllm":
        return _vllm(config, folder, config.model.dtype)
    return HFEngine(load_model(folder, config.model.dtype, ranks.device), tokenizer, settings.batch_tokens, ends)


def _facts(engine: Any) -> dict[str, Any]:
    """What the cost record of samples needs; of vLLM, which has the device, the weights alone."""
    from ufo_rl.signals.flops import generation_facts, weights_of

    if isinstance(engine, HFEngine):
        return generation_facts(engine.model)
    body, head = weights_of(engine.folder)
    return {"body_weights": body, "head_weights": head}


def _vllm(config: Config, folder: Path, dtype: str) -> Any:
    from ufo_rl.model.engine.vllm_engine import VLLMEngine

    tokenizer, settings = load_tokenizer(folder), config.engine
    ends, arguments = end_ids(folder, tokenizer), settings.vllm
    return VLLMEngine(folder, tokenizer, dtype, settings.batch_tokens, settings.memory_share, ends, arguments)


def _grader(config: Config) -> Grader:
    return Grader(config.reward.grader.time_limit_s, config.reward.grader.max_chars)


def _is_correct(grader: Grader, gold: str, completion: str) -> bool:
    return grader.grade(gold, completion).correct


def doctor(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Score one sample in several ways, for `ufo-rl doctor`."""
    from ufo_rl.commands.doctor.examination import examine
    from ufo_rl.signals.confidence.spans import encode

    settings = config.signal.confidence
    assert settings is not None  # the parent has looked
    folder, rows = Path(request["model"]), read_rows(Path(request["rows"]))
    tokenizer = load_tokenizer(folder)
    encoded = encode(tokenizer, [row["text"] for row in rows], [row["target_start"] for row in rows])
    dtype, progress = settings.dtype or config.model.dtype, progress_of(request, ranks, "ways")
    is_vllm = settings.engine == "vllm"
    vllm = partial(_vllm, config, folder, dtype) if is_vllm or importlib.util.find_spec("vllm") else None
    pad, reduction = pad_id(tokenizer), settings.reduction
    return {"ways": examine(folder, encoded, dtype, reduction, ranks.device, pad, vllm, is_vllm, progress)}


STAGES: dict[str, Callable[[Config, Request, Ranks], dict[str, Any]]] = {
    "confidence": confidence,
    "pass_rate": pass_rate,
    "completions": completions,
    "training": training,
    "doctor": doctor,
}
