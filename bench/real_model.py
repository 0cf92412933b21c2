"""Scoring with a small real model: ours and lm-evaluation-harness's HFLM.loglikelihood on 600 rows of GSM8K, the authors'
procedure on the first 160 of them, float32, with two threads and with one, in one run; and K = 16 samples of 100 prompts.

    UFO_RL_DATA=FOLDER python bench/real_model.py models/SmolLM2-135M-Instruct --harness PYTHON --sample

PYTHON is of an environment that has lm-eval. The R1 template, the reference answer as target. The harness's threads wait as
torch has it, which is faster on a quiet machine; its clock holds the tokenising of the rows, ours does not: a hundredth of it.
Writes real_model.json, a section for each number of threads and one for the samples; a section that is not asked for stays.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import authors
import torch
from scoring import NUM_SAMPLES, POOLS, device_name, longest, time_ours, window

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.experiment.data import load_pool
from ufo_rl.files.environment import versions
from ufo_rl.launch.start import ALLOCATOR, ATTENTION
from ufo_rl.launch.threads import WAITING, WAITS
from ufo_rl.model.engine import Sampling, sample_seed
from ufo_rl.model.engine.hf import HFEngine
from ufo_rl.model.template import messages, render
from ufo_rl.model.weights import fingerprint, load_model, load_tokenizer, pad_id
from ufo_rl.signals.confidence.budget import Budget
from ufo_rl.signals.confidence.forward import TeacherForcing
from ufo_rl.signals.confidence.last_layer import target_weights
from ufo_rl.signals.confidence.measure import measure, share_prefix
from ufo_rl.signals.confidence.packing import pack
from ufo_rl.signals.confidence.spans import Encoded, encode
from ufo_rl.signals.confidence.target import scored_text
from ufo_rl.signals.flops import matrix_rate, weights

HERE = Path(__file__).resolve().parent
CHECKED = 50  # rows against float64
AUTHORS = 160  # rows of the authors' procedure that are timed: it pads all to one length
SAMPLED = 100  # prompts
SEQUENCES = 64  # beside each other
MAX_TOKENS = 128  # of a sample; the model hardly ends by itself


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--harness", help="the Python of an environment with lm-eval; without it that part is left out")
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--threads", type=int, nargs="*", default=[2, 1])
    parser.add_argument("--sample", action="store_true", help="time K = 16 samples too")
    options = parser.parse_args()
    own = {**ALLOCATOR, **ATTENTION, **({} if any(name in os.environ for name in WAITING) else WAITS)}
    if not os.environ.keys() >= own.keys():  # as the ranks of a run have it
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **own})
    pairs, texts = gsm8k(options.model)
    path = HERE / "real_model.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    where = {
        "model": {
            "folder": options.model.name,
            **fingerprint(options.model, HERE.parent / "outputs/cache/fingerprints.json"),
        },
        "device": device_name("cpu"),
        "versions": {k: v for k, v in versions().items() if k in ("python", "torch", "transformers")},
    }
    for threads in options.threads:
        found[f"threads_{threads}"] = {**where, **bench(options, pairs[: options.rows], pairs, threads)}
        path.write_text(json.dumps(found, indent=1) + "\n")
    if options.sample:
        torch.set_num_threads(2)
        model, tokenizer = load_model(options.model, "float32", "cpu"), load_tokenizer(options.model)
        found["sampling"] = {**where, "threads": 2, **time_samples(model, tokenizer, texts[:SAMPLED])}
        path.write_text(json.dumps(found, indent=1) + "\n")
    say(json.dumps(found, indent=1))


def gsm8k(folder: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """(context, target) of every row, shuffled, and the prompts in the same order."""
    (job,) = compose_jobs(["model=smollm2-135m", f"model.path={folder}", *POOLS["gsm8k"]])
    config, tokenizer = load(job.plain), load_tokenizer(folder)
    prompts = list(load_pool(config.dataset, "dataset", config, config.grader).prompts)
    random.Random(0).shuffle(prompts)
    texts = [render(tokenizer, messages(config.template, p.question, True)) for p in prompts]
    scored = [scored_text("answer", text, p) for text, p in zip(texts, prompts, strict=True)]
    return [(text[:start], text[start:]) for text, start in scored], texts


def bench(
    options: argparse.Namespace, pairs: list[tuple[str, str]], pool: list[tuple[str, str]], threads: int
) -> dict[str, Any]:
    torch.set_num_threads(threads)
    model, tokenizer = load_model(options.model, "float32", "cpu"), load_tokenizer(options.model)
    rows, whole = encoded(tokenizer, pairs), encoded(tokenizer, pool)
    before, (body, head), last = matrix_rate(model), weights(model), target_weights(model.base_model)
    pad, widths = pad_id(tokenizer), (longest(whole), window(whole))
    authors.score(model, rows[: authors.BATCH_SIZE], *widths, pad)
    began = time.perf_counter()
    theirs = authors.score(model, rows[:AUTHORS], *widths, pad)
    theirs_s = len(theirs) / (time.perf_counter() - began)
    exact = reference(options.model, rows[:CHECKED])
    pack(model)
    ours = time_ours(model, rows, pad)
    rate = max(before, matrix_rate(model))
    last = last if ours.pop("is_shorter") else 0
    flops = 2.0 * ((body - last) * ours.pop("computed_tokens") + (head + last) * ours.pop("target_tokens"))
    means = our_means(model, rows[:AUTHORS], pad)
    spaced = encoded(tokenizer, [with_space(*pair) for pair in pairs[:CHECKED]])
    with_spaces = our_means(model, spaced, pad)
    found: dict[str, Any] = {
        "rows": {"timed": len(rows), "pool": len(whole), "longest": widths[0]},
        "matrix_gflops_per_s": rate / 1e9,
        "authors_prompts_per_s": theirs_s,
        "ours": {**ours, "share_of_matrix_rate": flops / ours["seconds"] / rate},
        "ours_to_authors": ours["prompts_per_s"] / theirs_s,
        "max_difference_of_confidence": {
            "from float64, 50 rows": largest(means[:CHECKED], exact),
            "from the authors' procedure, 160 rows": largest(means, theirs),
        },
    }
    del model
    if options.harness:
        harness = run_harness(options, pairs, threads)
        own = [total / row.num_target for total, row in zip(harness.pop("logprobs"), spaced, strict=False)]
        found["harness"] = {**harness, "prompts_per_s": len(rows) / harness["seconds"]}
        found["ours_to_harness"] = harness["seconds"] / ours["seconds"]
        found["max_difference_of_confidence"]["from the harness, 50 rows"] = largest(with_spaces, own)
    return found


def time_samples(model: Any, tokenizer: Any, texts: list[str]) -> dict[str, Any]:
    """K = 16 samples a prompt by our engine, a line of progress a batch."""
    repeated = [text for text in texts for _ in range(NUM_SAMPLES)]
    seeds = [sample_seed(0, str(i // NUM_SAMPLES), i % NUM_SAMPLES) for i in range(len(repeated))]
    width = max(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]) + MAX_TOKENS
    engine = HFEngine(model, tokenizer, SEQUENCES * width, [tokenizer.eos_token_id])
    done, tokens, began = 0, 0, time.perf_counter()
    for batch in engine.generate(repeated, Sampling(1.0, MAX_TOKENS), seeds):
        done, tokens = done + len(batch), tokens + sum(len(made.ids) for _, made in batch)
        say(f"{done} of {len(repeated)} samples, {tokens / (time.perf_counter() - began):.0f} tokens a second")
    seconds = time.perf_counter() - began
    return {
        "prompts": len(texts),
        "samples": NUM_SAMPLES,
        "sequences": SEQUENCES,
        "max_tokens": MAX_TOKENS,
        "seconds": seconds,
        "prompts_per_s": len(texts) / seconds,
        "tokens_per_s": tokens / seconds,
        "mean_tokens": tokens / len(repeated),
    }


def encoded(tokenizer: Any, pairs: list[tuple[str, str]]) -> list[Encoded]:
    return encode(tokenizer, [a + b for a, b in pairs], [len(a) for a, _ in pairs])


def with_space(context: str, target: str) -> tuple[str, str]:
    """As the harness has it: spaces at the end of a context are the target's."""
    bare = context.rstrip()
    return bare, context[len(bare) :] + target


def our_means(model: Any, rows: list[Encoded], pad: int) -> list[float]:
    """Mean log-probability of each row's target."""
    forcing = TeacherForcing(model, pad)
    share_prefix(forcing, rows)
    found = dict(item for batch in measure(forcing, rows, Budget(2048, "cpu"), None) for item in batch)
    return [found[i].mean_logprob for i in range(len(rows))]


def reference(folder: Path, rows: list[Encoded]) -> list[float]:
    """The same in float64 by the model's plain forward pass, one row at a time, from weights read anew."""
    from transformers import AutoModelForCausalLM

    model, found = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval(), list[float]()
    for row in rows:
        with torch.inference_mode():
            logprobs = model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
        places = range(len(row.ids) - row.num_target, len(row.ids))
        found.append(sum(logprobs[at - 1, row.ids[at]].item() for at in places) / row.num_target)
    return found


def largest(one: list[float], other: list[float]) -> float:
    """Largest difference of confidence, exp of the mean log-probability."""
    return max(abs(math.exp(a) - math.exp(b)) for a, b in zip(one, other, strict=True))


def run_harness(options: argparse.Namespace, pairs: list[tuple[str, str]], threads: int) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(pairs, file)
        file.flush()
        command = [
            options.harness,
            "-P",
            str(HERE / "harness_loglikelihood.py"),
            str(options.model),
            file.name,
            str(threads),
        ]
        environment = {name: value for name, value in os.environ.items() if name not in WAITING}
        environment["OMP_NUM_THREADS"] = str(threads)
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    (line,) = [line for line in output.splitlines() if line.startswith("RESULT")]
    return json.loads(line[6:])


def say(text: str) -> None:
    sys.stdout.write(text + os.linesep)


if __name__ == "__main__":
    main()
