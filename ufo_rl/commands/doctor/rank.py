"""The rank of `ufo-rl doctor`: one sample of prompts, scored by one model in several ways."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ufo_rl.commands.doctor.request import ExaminationRequest
from ufo_rl.files.journal import MEASURING
from ufo_rl.launch.rank_context import RankContext
from ufo_rl.model.engine.opening import open_engine
from ufo_rl.model.weights import load_model, load_tokenizer, pad_id
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.measure import Measured, measure, share_prefix
from ufo_rl.signals.confidence.packing import pack
from ufo_rl.signals.confidence.scorers import VLLMScorer
from ufo_rl.signals.confidence.spans import Encoded, encode

Way = Callable[[], dict[str, Any]]
BATCHES = (1, 8, 64)
PRECISIONS = ("bfloat16", "float16")
CONFIGURED = "as configured"


def examine_rows(request: ExaminationRequest, context: RankContext) -> dict[str, Any]:
    """The rank function."""
    tokenizer, rows = load_tokenizer(request.model), context.rows()
    encoded = encode(tokenizer, [row["text"] for row in rows], [row["target_start"] for row in rows])
    is_vllm = request.settings.engine == "vllm"
    engine = replace(request.engine, name="vllm")
    vllm = partial(open_engine, engine, request.model, request.dtype, context.place.device)
    context.phase(MEASURING, "first way")
    return {
        "ways": score_in_ways(
            request.model,
            encoded,
            request.dtype,
            request.settings.reduction,
            context.place.device,
            pad_id(tokenizer),
            vllm if is_vllm or importlib.util.find_spec("vllm") else None,
            is_vllm,
            context.progress("ways"),
        )
    }


def score_in_ways(
    folder: Path,
    rows: Sequence[Encoded],
    dtype: str,
    reduction: str,
    device: str,
    pad: int,
    vllm: Callable[[], Any] | None,
    is_vllm_configured: bool,
    progress: Callable[[int, int], None],
) -> dict[str, dict[str, Any]]:
    """By way: the logarithms of confidence in the order of the rows, and seconds; of one that could not be taken, the
    problem.

    dtype: the configured precision. reduction: mean, sum or min of the target's log-probabilities. vllm: makes the other
    engine in that precision, None where it is not installed.
    """

    def ours(precision: str, batch_size: int | None, use_prefix: bool, is_packed: bool = False) -> dict[str, Any]:
        model = load_model(folder, precision, device)
        if is_packed:
            pack(model)
        return _score(model, rows, pad, reduction, batch_size, use_prefix)

    ways: dict[str, Way] = {f"float32, batch {n}": lambda n=n: ours("float32", n, False) for n in BATCHES}
    ways["float32, shared prefix"] = lambda: ours("float32", None, True)
    for name in PRECISIONS:
        ways[f"{name}, shared prefix"] = lambda name=name: ours(name, None, True)
        ways[f"{name}, plain transformers"] = lambda name=name: _plain(
            load_model(folder, name, device), rows, pad, reduction
        )
    if not is_vllm_configured:
        ways[CONFIGURED] = lambda: ours(dtype, None, True, is_packed=True)
    if vllm is not None:  # the last: it keeps its share of the device
        ways[CONFIGURED if is_vllm_configured else f"{dtype}, vllm"] = lambda: _by_vllm(vllm, rows, reduction)
    found = {}
    for done, (name, way) in enumerate(ways.items(), start=1):
        found[name] = way()
        progress(done, len(ways))
    return found


def _by_vllm(make: Callable[[], Any], rows: Sequence[Encoded], reduction: str) -> dict[str, Any]:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        scorer = VLLMScorer(make())
        began = time.perf_counter()
        found = dict(item for batch in scorer.measure(rows) for item in batch)
    except Exception as error:  # vLLM refuses models, head sizes and devices by errors of every kind
        return {"problem": (str(error).strip() or repr(error)).splitlines()[0]}
    return _result(found, reduction, began)


def _score(
    model: Any, rows: Sequence[Encoded], pad: int, reduction: str, batch_size: int | None, use_prefix: bool
) -> dict[str, Any]:
    forcing = TeacherForcing(model, pad)
    began = time.perf_counter()
    share_prefix(forcing, rows, use_prefix)
    budget = Budget(None, model.device.type)
    found = dict(item for batch in measure(forcing, rows, budget, batch_size) for item in batch)
    return _result(found, reduction, began)


def _result(found: dict[int, Measured], reduction: str, began: float) -> dict[str, Any]:
    seconds = time.perf_counter() - began
    logs = [getattr(found[i], f"{reduction}_logprob") for i in range(len(found))]
    return {"log_confidence": logs, "seconds": seconds}


def _plain(model: Any, rows: Sequence[Encoded], pad: int, reduction: str) -> dict[str, Any]:
    """What a user of transformers would do: batches of 8, the model's own head, log-softmax in its precision."""
    found: list[float] = []
    began = time.perf_counter()
    for start in range(0, len(rows), 8):
        batch = rows[start : start + 8]
        width = max(len(row.ids) for row in batch)
        ids = torch.tensor([[pad] * (width - len(row.ids)) + row.ids for row in batch], device=model.device)
        mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in batch], device=model.device)
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(input_ids=ids, attention_mask=mask).logits, -1)
        for b, row in enumerate(batch):
            terms = logprobs[b, -row.num_target - 1 : -1].gather(1, ids[b, -row.num_target :, None])
            found.append(getattr(terms.double(), reduction)().item())
    return {"log_confidence": found, "seconds": time.perf_counter() - began}
