"""Generation by transformers on the embedded lab: end tokens, limits, samples, and nobody's hidden settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from ufo_rl.engine import Sampling
from ufo_rl.engine.hf import HFEngine
from ufo_rl.model import load_model, load_tokenizer, packaged
from ufo_rl.records import Completion

LAB = packaged("package:lab/tiny")
QUESTIONS = ["2+3=?", "12+3-4=?", "7*8-5=?"]
GREEDY = Sampling(1, 0.0, 96, 0)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    tokenizer = load_tokenizer(LAB)
    return [
        tokenizer.apply_chat_template([{"role": "user", "content": q}], tokenize=False, add_generation_prompt=True)
        for q in QUESTIONS
    ]


def engine(**own: Any) -> HFEngine:
    """An engine whose model carries generation settings of its own."""
    model = load_model(LAB, "float32", "cpu")
    model.generation_config = GenerationConfig(**own)
    return HFEngine(model, load_tokenizer(LAB), 4096)


def greedy(engine: HFEngine, texts: list[str]) -> list[Completion]:
    found = dict(engine.generate(texts, GREEDY))
    return [found[i][0] for i in range(len(texts))]


def test_greedy_is_the_argmax_of_each_step(texts: list[str]) -> None:
    made = engine()
    model, tokenizer = made.model, made.tokenizer
    for text, completion in zip(texts, greedy(made, texts), strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        start = len(ids)
        with torch.no_grad():
            while len(ids) - start < 96 and (len(ids) == start or ids[-1] != tokenizer.eos_token_id):
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert completion.num_tokens == len(ids) - start
        assert completion.finish == ("stop" if ids[-1] == tokenizer.eos_token_id else "length")
        assert completion.text == tokenizer.decode(ids[start:], skip_special_tokens=True)


def test_the_models_own_generation_settings_change_nothing(texts: list[str]) -> None:
    plain = greedy(engine(), texts)
    digits = [i for digit in "0123456789" for i in load_tokenizer(LAB)(digit, add_special_tokens=False)["input_ids"]]
    loaded = engine(
        suppress_tokens=digits, min_new_tokens=60, repetition_penalty=1.5, bad_words_ids=[[digits[1]]], min_p=0.5
    )
    assert greedy(loaded, texts) == plain


def test_every_end_token_of_the_model_ends(texts: list[str]) -> None:
    tokenizer = load_tokenizer(LAB)
    (end,) = tokenizer("</think>", add_special_tokens=False)["input_ids"]
    made = engine(eos_token_id=[tokenizer.eos_token_id, end])
    for completion in greedy(made, texts):
        assert completion.finish == "stop" and "<answer>" not in completion.text


def test_a_limit_cuts_and_says_so(texts: list[str]) -> None:
    found = dict(engine().generate(texts, Sampling(1, 0.0, 3, 0)))
    assert [(c.num_tokens, c.finish) for (c,) in found.values()] == [(3, "length")] * 3


def test_samples_come_in_the_asked_number_and_by_seed(texts: list[str]) -> None:
    made, sampling = engine(), Sampling(5, 1.0, 96, seed=1)
    first, again = dict(made.generate(texts, sampling)), dict(made.generate(texts, sampling))
    other = dict(made.generate(texts, Sampling(5, 1.0, 96, seed=2)))
    assert first == again != other and all(len(samples) == 5 for samples in first.values())
    assert len({c.text for c in first[2]}) > 1
