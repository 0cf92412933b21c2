"""SmolLM2-135M-Instruct, a small real model, through the tool: its tokenizer and template, scoring, a step of training."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.unit.test_real_tokenizers import KINDS, R1, check_targets
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.model.template import accepts_system_role, messages, render, tells_date
from ufo_rl.model.weights import load_tokenizer

ROWS = 50


@cache
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


def ran(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "ufo_rl.cli", *words, "tracker=off"]
    subprocess.run(command, check=True, cwd=folder)


@pytest.mark.parametrize("kind", KINDS)
def test_the_targets_tokens_are_the_answer(real_model: Path, kind: str) -> None:
    check_targets(tokenizer(real_model), kind)


def test_its_own_text_around_a_question(real_model: Path) -> None:
    """Its begin token opens every turn, and nothing stands in front of the first."""
    own = tokenizer(real_model)
    text = render(own, messages(R1, "2+2?", True))
    assert text == (
        "<|im_start|>system\nThink first, then answer.<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert accepts_system_role(own) and not tells_date(own) and own.eos_token == "<|im_end|>"
    ids = own(text, add_special_tokens=False)["input_ids"]
    assert ids[0] == own.bos_token_id and ids.count(own.bos_token_id) == 3


def test_worked_examples_are_turns(real_model: Path) -> None:
    (job,) = compose_jobs(["model=smollm2-135m", "dataset=words", "template=worked"])
    text = render(tokenizer(real_model), messages(load(job.plain).template, "2+2?", True))
    assert text.endswith(
        "<|im_start|>user\nTim has 5 trays with 6 plates in each. How many plates does Tim have?<|im_end|>\n"
        "<|im_start|>assistant\n5 * 6 = 30\n#### 30<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_confidence_is_that_of_float64(real_model: Path, shared_data: Path, tmp_path: Path) -> None:
    """50 rows of GSM8K in the R1 template, one at a time through the model's plain forward pass in float64."""
    lines = (shared_data / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines()[:ROWS]
    (tmp_path / "gsm8k_train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["model=smollm2-135m", f"model.path={real_model}", "model.dtype=float32", "dataset=gsm8k", "template=r1"]
    ran(tmp_path, "score", *words, "signal=[confidence]", f"paths.data={tmp_path}")
    (path,) = tmp_path.glob("outputs/scores/**/scores.parquet")
    scores = {row["question"]: row["confidence"] for row in pq.read_table(path).to_pylist()}
    (job,) = compose_jobs([*words, "eval=gsm8k"])
    template, own = load(job.plain).template, tokenizer(real_model)
    model = AutoModelForCausalLM.from_pretrained(real_model, dtype=torch.float64).eval()
    for row in map(json.loads, lines):
        answer = row["answer"].rpartition("#### ")[2].replace(",", "")
        context = f"{render(own, messages(template, row['question'], True))}<answer> "
        before, ids = (own(text, add_special_tokens=False)["input_ids"] for text in (context, context + answer))
        start = next((i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), len(before))
        with torch.inference_mode():
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        target = [logprobs[at - 1, ids[at]].item() for at in range(start, len(ids))]
        assert scores[row["question"]] == pytest.approx(math.exp(sum(target) / len(target)), abs=1e-5)


def test_the_experiment_trains_on_two_ranks(real_model: Path, tmp_path: Path) -> None:
    """experiment=real-small, small: selected, trained under ZeRO 2, evaluated."""
    words = ["experiment=real-small", "model=smollm2-135m", f"model.path={real_model}", "deepspeed=zero2"]
    words += ["dataset.num_prompts=20", "ratio.value=0.2", "launch.num_ranks=2", "train.max_steps=1"]
    words += ["train.per_device_train_batch_size=8"]
    ran(tmp_path, *words, "signal=[confidence]", "eval.words.limit=8")
    (path,) = tmp_path.glob("outputs/runs/real/*/metrics.json")
    found = json.loads(path.read_text())
    assert (found["num_selected"], found["steps"]) == (4, 1)
    (path,) = path.parent.glob("eval/words/questions.parquet")
    asked = pq.read_table(path).to_pylist()
    assert len(asked) == 8 and all("Tim has 5 trays" in row["prompt"] and "####" in row["completion"] for row in asked)
