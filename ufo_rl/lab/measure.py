"""Measures the embedded lab on its own: `python -m ufo_rl.lab.measure MODEL_FOLDER`.

Prints one JSON object: pass rate by level, its rank correlation with the one-pass confidence, greedy accuracy by level.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from random import Random
from typing import Any

import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer

from ufo_rl.dataset.arithmetic import Arithmetic
from ufo_rl.records import Prompt

# Axes: B rows, T tokens, V vocabulary.
ANSWER = re.compile(r"<answer> *(-?\d+) *</answer>$")


def rendered(tokenizer, prompt: Prompt) -> str:
    """The text before the assistant's first token."""
    message = [{"role": "user", "content": prompt.question}]
    return tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)


@torch.inference_mode()
def complete(model, tokenizer, prompts: list[Prompt], batch_size: int, **sampling) -> list[str]:
    """One completion per prompt, in order; rows of similar length run together."""
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row].question))
    texts = [""] * len(prompts)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs = tokenizer(
            [rendered(tokenizer, prompts[row]) for row in rows], return_tensors="pt", padding=True, add_special_tokens=False
        )
        output = model.generate(**inputs, max_new_tokens=128, **sampling)[:, inputs.input_ids.shape[1] :]
        for row, text in zip(rows, tokenizer.batch_decode(output, skip_special_tokens=True), strict=True):
            texts[row] = text
    return texts


@torch.inference_mode()
def confidence(model, tokenizer, prompt: Prompt) -> float:
    """exp of the mean log-probability of the answer's tokens, teacher-forced directly after `<answer> `."""
    prefix = tokenizer(rendered(tokenizer, prompt) + "<answer> ", add_special_tokens=False).input_ids
    answer = tokenizer(prompt.answer, add_special_tokens=False).input_ids
    logprobs_TV = model(torch.tensor([prefix + answer])).logits[0].double().log_softmax(-1)
    scores = [logprobs_TV[len(prefix) + place - 1, token] for place, token in enumerate(answer)]
    return float(torch.stack(scores).mean().exp())


def is_correct(text: str, prompt: Prompt) -> bool:
    """Whether the completion ends in `<answer> N</answer>` with the right N."""
    found = ANSWER.search(text)
    return found is not None and int(found.group(1)) == int(prompt.answer)


def by_level(prompts: list[Prompt], values: list[float]) -> dict[str, float]:
    """Means per level and over all."""
    groups: dict[str, list[float]] = {}
    for prompt, value in zip(prompts, values, strict=True):
        groups.setdefault(prompt.level, []).append(value)
    means = {level: round(sum(group) / len(group), 4) for level, group in sorted(groups.items())}
    return means | {"all": round(sum(values) / len(values), 4)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--num_pool", type=int, default=4000, help="size of the pool the prompts are drawn from")
    parser.add_argument("--num_prompts", type=int, default=500, help="random pool prompts to sample on")
    parser.add_argument("--num_samples", type=int, default=16, help="completions per prompt, temperature 1")
    parser.add_argument("--num_test", type=int, default=500, help="test problems to answer greedily")
    parser.add_argument("--num_levels", type=int, default=6)
    parser.add_argument("--batch_size", type=int, default=512)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(options.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    levels = list(range(1, options.num_levels + 1))
    pool = Arithmetic(split="train", num_prompts=options.num_pool, levels=levels, seed=0).load().prompts
    prompts = Random(0).sample(pool, options.num_prompts)

    started = time.monotonic()
    repeated = [prompt for prompt in prompts for _ in range(options.num_samples)]
    texts = complete(model, tokenizer, repeated, options.batch_size, do_sample=True, temperature=1.0, top_k=0, top_p=1.0)
    hits = [float(is_correct(text, prompt)) for text, prompt in zip(texts, repeated, strict=True)]
    rates = [
        sum(hits[start : start + options.num_samples]) / options.num_samples
        for start in range(0, len(hits), options.num_samples)
    ]
    sample_seconds = time.monotonic() - started

    started = time.monotonic()
    confidences = [confidence(model, tokenizer, prompt) for prompt in prompts]
    confidence_seconds = time.monotonic() - started

    started = time.monotonic()
    test = Arithmetic(split="test", num_prompts=options.num_test, levels=levels, seed=0).load().prompts
    greedy = complete(model, tokenizer, test, options.batch_size, do_sample=False)
    greedy_hits = [float(is_correct(text, prompt)) for text, prompt in zip(greedy, test, strict=True)]
    greedy_seconds = time.monotonic() - started

    correlation: Any = spearmanr(confidences, rates)
    report = {
        "pass_rate": by_level(prompts, rates),
        "mean_confidence": by_level(prompts, confidences),
        "spearman": round(float(correlation.statistic), 4),
        "share_mixed": round(sum(0 < rate < 1 for rate in rates) / len(rates), 4),
        "greedy": by_level(test, greedy_hits),
        "share_thinking": {
            "sampled": round(sum(text.startswith("<think>") for text in texts) / len(texts), 4),
            "greedy": round(sum(text.startswith("<think>") for text in greedy) / len(greedy), 4),
        },
        "longest_completion": max(len(text) for text in texts),
        "seconds": {
            "pass_rate": round(sample_seconds, 1),
            "confidence": round(confidence_seconds, 1),
            "greedy": round(greedy_seconds, 1),
        },
        "counts": {"prompts": len(prompts), "samples": options.num_samples, "test": len(test)},
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
