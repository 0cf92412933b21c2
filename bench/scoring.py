"""Scoring at the speed of the hardware: the authors' procedure, ours, and K = 16 samples, in one run on GSM8K's rows.
With --sample the lab is measured on its own problems too, which it answers and ends by itself: on one thread and with
as many prompts as its demo samples, for a rank of the demo has one thread and the last long answers of a short list
run almost alone.

    UFO_RL_DATA=FOLDER python bench/scoring.py --shapes tiny qwen2.5-0.5b

Writes scoring.json: an entry for each shape, pool, precision and machine; the latest stays.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import authors
import shapes
import torch

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.data import load_pool
from ufo_rl.files.environment import hardware, versions
from ufo_rl.launch.start import ALLOCATOR, ATTENTION
from ufo_rl.launch.threads import WAITING, WAITS
from ufo_rl.model.engine import Sampling, sample_seed
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.template import messages, render
from ufo_rl.model.weights import pad_id
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.last_layer import target_weights
from ufo_rl.signals.confidence.measure import measure, share_prefix
from ufo_rl.signals.confidence.packing import pack
from ufo_rl.signals.confidence.spans import Encoded, encode
from ufo_rl.signals.confidence.target import scored_text
from ufo_rl.signals.flops import matrix_rate, weights

HERE = Path(__file__).parent
NUM_SAMPLES = 16
POOLS = {"gsm8k": ["dataset=gsm8k", "template=r1", "eval=gsm8k"], "arithmetic": ["dataset=arithmetic"]}
SAMPLED = {"gsm8k": 64, "arithmetic": 900}  # prompts
AUTHORS_BATCHES = {"tiny": 16}  # batches of the authors' procedure that are timed; 4 for real shapes: all are alike


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["tiny", "qwen2.5-0.5b"], choices=["tiny", *shapes.SHAPES])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=None, help="rows of ours; all for tiny and on a GPU, 480 else")
    parser.add_argument("--sample", action="store_true", help="time K = 16 samples of prompts too")
    options = parser.parse_args()
    own = {**ALLOCATOR, **ATTENTION, **({} if any(name in os.environ for name in WAITING) else WAITS)}
    if not os.environ.keys() >= own.keys():  # as the ranks of a run have it
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **own})
    asked = [(shape, "gsm8k") for shape in options.shapes]
    if options.sample and "tiny" in options.shapes:
        asked.append(("tiny", "arithmetic"))
    for shape, pool in asked:
        try:
            result = bench(shape, pool, options)
        except UserError as error:
            sys.exit(str(error))
        record(result)
        say(json.dumps(result, indent=1))


def bench(shape: str, pool: str, options: argparse.Namespace) -> dict[str, Any]:
    if pool == "arithmetic":
        torch.set_num_threads(1)
    (job,) = compose_jobs(POOLS[pool])
    config = load(job.plain)
    prompts = load_pool(config.dataset, "dataset", config, config.grader).prompts
    model, tokenizer = shapes.load(shape, [p.question for p in prompts], options.dtype, options.device)
    texts = [render(tokenizer, messages(config.template, p.question, True)) for p in prompts]
    ends = [scored_text("answer", text, p) for text, p in zip(texts, prompts, strict=True)]
    rows = encode(tokenizer, [t for t, _ in ends], [s for _, s in ends])
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)  # a sample of the rows has their lengths
    count = options.rows or (len(rows) if shape == "tiny" or options.device == "cuda" else 480)
    chosen = [rows[i] for i in order[:count]]
    before, (body, head), last = matrix_rate(model), weights(model), target_weights(model.base_model)
    a = time_authors(shape, model, rows, chosen, pad_id(tokenizer))
    theirs = torch.tensor(authors.score(model, chosen[:16], longest(rows), window(rows), pad_id(tokenizer)))
    pack(model)
    b = time_ours(model, chosen, pad_id(tokenizer))
    rate = max(before, matrix_rate(model))
    last = last if b.pop("is_shorter") else 0
    # 2 operations a weight: the body at computed tokens, padding included, what else there is at target tokens alone.
    flops = 2.0 * ((body - last) * b.pop("computed_tokens") + (head + last) * b.pop("target_tokens"))
    result: dict[str, Any] = {
        "shape": shape,
        "pool": pool,
        "dtype": options.dtype,
        "device": device_name(options.device),
        "threads": torch.get_num_threads(),
        "versions": {k: v for k, v in versions().items() if k in ("python", "torch", "transformers")},
        "rows": {"timed": len(chosen), "pool": len(rows), "mean_tokens": mean_length(rows), "longest": longest(rows)},
        "matrix_gflops_per_s": rate / 1e9,
        "authors": a,
        "ours": {**b, "share_of_matrix_rate": flops / b["seconds"] / rate},
        "ours_to_authors": b["prompts_per_s"] / a["prompts_per_s"],
        "max_difference_of_mean_logprob": agreement(model, chosen[:16], pad_id(tokenizer), theirs),
    }
    if options.sample:
        sampled = [texts[i] for i in order[: SAMPLED[pool]]]
        result["sampling"] = time_sampling(model, tokenizer, sampled, config.model.max_completion_tokens)
        result["ours_to_sampling"] = b["prompts_per_s"] / result["sampling"]["prompts_per_s"]
    return result


def time_authors(shape: str, model: Any, rows: list[Encoded], chosen: list[Encoded], pad: int) -> dict[str, float]:
    count = authors.BATCH_SIZE * AUTHORS_BATCHES.get(shape, 4)
    authors.score(model, chosen[: authors.BATCH_SIZE], longest(rows), window(rows), pad)
    began = time.perf_counter()
    authors.score(model, chosen[:count], longest(rows), window(rows), pad)
    seconds = time.perf_counter() - began
    return {"prompts": count, "seconds": seconds, "prompts_per_s": count / seconds}


def time_ours(model: Any, chosen: list[Encoded], pad: int) -> dict[str, Any]:
    """The whole of it: finding the shared prefix, the search for the fastest batch, all rows."""
    forcing, budget = TeacherForcing(model, pad), Budget(None, model.device.type)
    began = time.perf_counter()
    share_prefix(forcing, chosen)
    measured = [one for batch in measure(forcing, chosen, budget, None) for _, one in batch]
    seconds = time.perf_counter() - began
    real = sum(one.num_tokens for one in measured)
    prefix, padded = (sum(getattr(one, name) for one in measured) for name in ("prefix_tokens", "padded_tokens"))
    return {
        "prompts": len(measured),
        "seconds": seconds,
        "prompts_per_s": len(measured) / seconds,
        "real_tokens_per_s": (real - prefix) / seconds,
        "prefix_tokens": len(forcing.prefix),
        "padding": padded / (real - prefix),
        "batch_tokens": budget.tokens,
        "is_shorter": forcing.last_layer is not None,
        "computed_tokens": real - len(measured) - prefix + padded,
        "target_tokens": sum(one.num_target_tokens for one in measured),
    }


def agreement(model: Any, rows: list[Encoded], pad: int, theirs: torch.Tensor) -> float:
    """Largest difference of the mean log-probability between the authors' procedure and ours."""
    forcing = TeacherForcing(model, pad)
    share_prefix(forcing, rows)
    found = dict(item for batch in measure(forcing, rows, Budget(2048, model.device.type), None) for item in batch)
    ours = torch.tensor([found[i].mean_logprob for i in range(len(rows))])
    return (ours - theirs).abs().max().item()


def time_sampling(model: Any, tokenizer: Any, texts: list[str], max_tokens: int) -> dict[str, Any]:
    """K = 16 samples a prompt at the fastest of four batch sizes, and plain `generate` at the same."""
    sampling, best, ends = Sampling(1.0, max_tokens), {}, [tokenizer.eos_token_id]
    repeated = [text for text in texts for _ in range(NUM_SAMPLES)]
    seeds = [sample_seed(0, str(i), 0) for i in range(len(repeated))]
    width = len(tokenizer(texts[0])["input_ids"]) + max_tokens
    for sequences in (64, 128, 256, 512):
        part = repeated[:sequences]
        began = time.perf_counter()
        done = list(HFEngine(model, tokenizer, sequences * width, ends).generate(part, sampling, seeds[:sequences]))
        speed = sum(len(c.ids) for batch in done for _, c in batch) / (time.perf_counter() - began)
        if speed > best.get("tokens_per_s", 0):
            best = {"sequences": sequences, "tokens_per_s": speed}
    began = time.perf_counter()
    engine = HFEngine(model, tokenizer, best["sequences"] * width, ends)
    done = list(engine.generate(repeated, sampling, seeds))
    seconds = time.perf_counter() - began
    tokens = sum(len(c.ids) for batch in done for _, c in batch)
    plain = plain_tokens_per_s(model, tokenizer, repeated[: best["sequences"]], max_tokens)
    return {
        "prompts": len(texts),
        "samples": NUM_SAMPLES,
        "sequences": best["sequences"],
        "seconds": seconds,
        "prompts_per_s": len(texts) / seconds,
        "tokens_per_s": tokens / seconds,
        "plain_generate_tokens_per_s": plain,
        "mean_tokens": tokens / len(repeated),
    }


def plain_tokens_per_s(model: Any, tokenizer: Any, texts: list[str], max_tokens: int) -> float:
    """transformers' own sampling of one batch; tokens up to each end token."""
    batch = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False).to(model.device)
    torch.manual_seed(0)
    began = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(
            **batch,
            max_new_tokens=max_tokens,
            do_sample=True,
            top_k=0,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    seconds = time.perf_counter() - began
    made = out[:, batch["input_ids"].shape[1] :].tolist()
    ends = [row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row) for row in made]
    return sum(ends) / seconds


def window(rows: list[Encoded]) -> int:
    return max(row.num_target for row in rows)


def longest(rows: list[Encoded]) -> int:
    return max(len(row.ids) for row in rows)


def mean_length(rows: list[Encoded]) -> float:
    return sum(len(row.ids) for row in rows) / len(rows)


def device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{hardware()['cpu']}, {hardware()['cpus']} cores"


def record(result: dict[str, Any]) -> None:
    path = HERE / "scoring.json"
    results = json.loads(path.read_text()) if path.is_file() else []
    names = ("shape", "pool", "dtype", "device")
    results = [one for one in results if any(one[name] != result[name] for name in names)] + [result]
    path.write_text(json.dumps(results, indent=1) + "\n")


def say(text: str) -> None:
    sys.stdout.write(text + os.linesep)


if __name__ == "__main__":
    main()
