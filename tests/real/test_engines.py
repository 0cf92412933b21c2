"""vLLM and transformers on a small real model: greedy answers. Run in the environment of vLLM."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from ufo_rl.model.weights import load_model, load_tokenizer

NUM_QUESTIONS = 200
WORDS = ["model=smollm2-135m", "dataset=words", "template=worked", "model.dtype=float32"]
TIE = 1e-3  # of the two largest log-probabilities: rounding decides


def evaluated(engine: str, real_model: Path, work: Path) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "ufo_rl.cli", "evaluate", *WORDS, f"model.path={real_model}", f"engine={engine}"]
    command += ["eval=words", f"eval.words.limit={NUM_QUESTIONS}", "tracker=off", f"name={engine}"]
    command += ["model.max_completion_tokens=40", "engine.memory_share=0.2"]
    subprocess.run(command, check=True, cwd=work)
    (path,) = work.glob(f"outputs/evaluations/{engine}/*/eval/words/questions.parquet")
    return {row["id"]: row for row in pq.read_table(path).to_pylist()}


def test_greedy_answers_are_the_same_but_for_ties(real_model: Path, tmp_path: Path) -> None:
    """At least 95 % word for word, and what differs first is a tie within float32's rounding."""
    hf, vllm = (evaluated(engine, real_model, tmp_path) for engine in ("hf", "vllm"))
    differing = [i for i in hf if hf[i]["completion"] != vllm[i]["completion"]]
    gaps = first_differences(real_model, [(hf[i], vllm[i]) for i in differing])
    right = sum(row["correct"] for row in hf.values())
    told = f"{len(hf) - len(differing)} of {len(hf)} answers are the same, {right} right; gaps of the others: {gaps}"
    sys.stdout.write(told)
    assert len(hf) == len(vllm) == NUM_QUESTIONS and len(differing) <= 0.05 * NUM_QUESTIONS, told
    assert all(gap < TIE for gap in gaps), told
    assert right > 0.1 * NUM_QUESTIONS, told  # no comparison of silence


def first_differences(real_model: Path, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[float]:
    """The gap of the two largest log-probabilities where a pair of answers begins to differ: these two were taken."""
    tokenizer, model, gaps = load_tokenizer(real_model), load_model(real_model, "float32", "cpu"), []
    for one, other in pairs:
        assert one["prompt"] == other["prompt"]
        ids, others = (
            [
                *tokenizer(row["prompt"] + row["completion"], add_special_tokens=False)["input_ids"],
                tokenizer.eos_token_id,
            ]
            for row in (one, other)
        )
        at = next(i for i, (a, b) in enumerate(zip(ids, others, strict=False)) if a != b)
        with torch.inference_mode():
            top = model(torch.tensor([ids[:at]])).logits[0, -1].log_softmax(-1).topk(2)
        assert set(top.indices.tolist()) == {ids[at], others[at]}
        gaps.append((top.values[0] - top.values[1]).item())
    return gaps
