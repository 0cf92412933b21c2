"""What a rank does for each kind of stage: open the model, call the stage, publish. Paths and ranks end here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from ufo_rl.artifacts import write_table
from ufo_rl.build import build
from ufo_rl.config import Config
from ufo_rl.engine import Sampling
from ufo_rl.evaluation import evaluate
from ufo_rl.journal import Journal
from ufo_rl.model import load_model, load_tokenizer
from ufo_rl.ranks import Ranks
from ufo_rl.records import Prompt
from ufo_rl.reward.answer import Grader
from ufo_rl.scoring import Row, score
from ufo_rl.store import SignalStore

Request = dict[str, Any]
PROGRESS_EVERY_S = 1.0


def read_rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


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
    from ufo_rl.signals.confidence import Measured, encode, measure

    folder, settings = Path(request["model"]), config.signal.confidence
    assert settings is not None  # the parent asks for chosen signals only
    tokenizer = load_tokenizer(folder)
    rows = _share([Row(**row) for row in read_rows(request["rows"])], ranks)
    model = load_model(folder, settings.dtype or config.model.dtype, ranks.device)
    pad_id = tokenizer.convert_tokens_to_ids(str(tokenizer.pad_token))
    assert isinstance(pad_id, int)

    def batches(rows: Sequence[Row]) -> Iterator[list[tuple[int, Measured]]]:
        encoded = encode(tokenizer, [r.text for r in rows], [r.target_start for r in rows])
        yield from measure(model, encoded, settings.batch_size, settings.batch_tokens, pad_id)

    store = SignalStore.at(Path(request["store"]))
    progress, startup = progress_of(request, ranks, "prompts"), startup_seconds(request)
    return {"num_scored": score(rows, batches, store, progress, startup, ranks.world_size)}


def pass_rate(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Sample and grade this rank's share of the rows into the store."""
    from ufo_rl.signals.pass_rate import Sampled, measure

    folder, settings = Path(request["model"]), config.signal.pass_rate
    assert settings is not None  # the parent asks for chosen signals only
    rows = _share([Row(**row) for row in read_rows(request["rows"])], ranks)
    generate, grader = _engine(config, folder, ranks).generate, _grader(config)
    sampling = Sampling(settings.num_samples, settings.temperature, settings.max_completion_tokens, settings.seed)

    def batches(rows: Sequence[Row]) -> Iterator[list[tuple[int, Sampled]]]:
        texts, golds = [r.text for r in rows], [r.gold for r in rows]
        is_correct = partial(_is_correct, grader)
        for item in measure(texts, golds, generate, is_correct, sampling):
            yield [item]

    store = SignalStore.at(Path(request["store"]))
    progress, startup = progress_of(request, ranks, "prompts"), startup_seconds(request)
    return {"num_scored": score(rows, batches, store, progress, startup, ranks.world_size)}


def evaluation(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Answer and grade this rank's share of a benchmark's questions; the rows go to a part file."""
    rows = ranks.share(read_rows(request["rows"]))
    prompts = [Prompt(**row["prompt"]) for row in rows]
    engine, grader = _engine(config, Path(request["model"]), ranks), _grader(config)
    began = time.perf_counter()
    graded = evaluate(
        prompts,
        [row["text"] for row in rows],
        engine.generate,
        grader.grade,
        request["max_completion_tokens"],
        progress_of(request, ranks, "questions"),
    )
    seconds = time.perf_counter() - began
    part = Path(request["work"]) / f"part-{ranks.rank}.parquet"
    write_table(part, pa.Table.from_pylist(graded))
    return {"part": str(part), "seconds": seconds}


def training(config: Config, request: Request, ranks: Ranks) -> dict[str, Any]:
    """Train on the selected rows; the policy is saved into the request's folder."""
    from ufo_rl.training import prepare_process_group, train

    prepare_process_group(ranks, config.deepspeed.config)
    folder = Path(request["model"])
    rewards = {name: build(node, f"reward.parts.{name}", config.plugins) for name, node in config.reward.parts.items()}
    return train(
        read_rows(request["rows"]),
        folder,
        load_tokenizer(folder),
        rewards,
        config.train,
        config.deepspeed.config,
        config.seed,
        ranks,
        Path(request["checkpoints"]),
        Path(request["policy"]),
        journal_of(request).write,
    )


def _share(rows: list[Row], ranks: Ranks) -> list[Row]:
    """This rank's part: rows dealt out by length, so that the parts cost the same."""
    return list(ranks.share(sorted(rows, key=lambda row: (len(row.text), row.key))))


def _engine(config: Config, folder: Path, ranks: Ranks) -> Any:
    from ufo_rl.engine.hf import HFEngine

    model = load_model(folder, config.model.dtype, ranks.device)
    return HFEngine(model, load_tokenizer(folder), config.engine.batch_tokens)


def _grader(config: Config) -> Grader:
    return Grader(config.reward.grader.time_limit_s, config.reward.grader.max_chars)


def _is_correct(grader: Grader, gold: str, completion: str) -> bool:
    return grader.grade(gold, completion).correct


STAGES: dict[str, Callable[[Config, Request, Ranks], dict[str, Any]]] = {
    "confidence": confidence,
    "pass_rate": pass_rate,
    "evaluation": evaluation,
    "training": training,
}
