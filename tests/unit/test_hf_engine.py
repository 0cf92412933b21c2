"""Generation by transformers on the embedded lab: end tokens, limits, samples, and nobody's hidden settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from ufo_rl.model.engine import Sampling, sample_seed
from ufo_rl.model.engine.hf import HFEngine, InverseTransform
from ufo_rl.model.weights import end_ids, load_model, load_tokenizer, packaged
from ufo_rl.records import Completion

LAB = packaged("package:lab/tiny")
QUESTIONS = ["2+3=?", "12+3-4=?", "7*8-5=?"]
GREEDY = Sampling(0.0, 96)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    tokenizer = load_tokenizer(LAB)
    return [
        tokenizer.apply_chat_template([{"role": "user", "content": q}], tokenize=False, add_generation_prompt=True)
        for q in QUESTIONS
    ]


def engine(eos_ids: list[int] | None = None, **own: Any) -> HFEngine:
    """An engine whose model carries generation settings of its own."""
    model, tokenizer = load_model(LAB, "float32", "cpu"), load_tokenizer(LAB)
    model.generation_config = GenerationConfig(**own)
    return HFEngine(model, tokenizer, 4096, eos_ids or end_ids(LAB, tokenizer))


def greedy(engine: HFEngine, texts: list[str]) -> list[Completion]:
    found = generated(engine, texts, GREEDY, [0] * len(texts))
    return [found[i] for i in range(len(texts))]


def generated(engine: HFEngine, texts: list[str], sampling: Sampling, seeds: list[int]) -> dict[int, Completion]:
    return dict(item for batch in engine.generate(texts, sampling, seeds) for item in batch)


def test_greedy_is_the_argmax_of_each_step(texts: list[str]) -> None:
    made = engine()
    model, tokenizer = made.model, made.tokenizer
    for text, completion in zip(texts, greedy(made, texts), strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        start = len(ids)
        with torch.no_grad():
            while len(ids) - start < 96 and (len(ids) == start or ids[-1] != tokenizer.eos_token_id):
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert completion.ids == ids[start:]
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
    made = engine([tokenizer.eos_token_id, end])
    for completion in greedy(made, texts):
        assert completion.finish == "stop" and "<answer>" not in completion.text


def test_a_limit_cuts_and_says_so(texts: list[str]) -> None:
    found = generated(engine(), texts, Sampling(0.0, 3), [0] * 3)
    assert [(len(c.ids), c.finish) for c in found.values()] == [(3, "length")] * 3


def test_a_sample_depends_on_its_seed_and_on_no_other_text(texts: list[str]) -> None:
    made, sampling = engine(), Sampling(1.0, 96)
    together = generated(made, [texts[2]] * 8 + texts[:2], sampling, list(range(10)))
    for seed in range(8):
        assert generated(made, [texts[2]], sampling, [seed]) == {0: together[seed]}
    assert len({together[seed].text for seed in range(8)}) > 1
    assert sample_seed(0, "id", 1) != sample_seed(0, "id", 2) != sample_seed(1, "id", 2)
    assert 0 <= sample_seed(0, "id", 1) < 2**63


def test_a_batch_is_handed_over_whole_and_the_longest_prompts_come_first(texts: list[str]) -> None:
    made = engine()
    lengths = [len(ids) for ids in made.tokenizer(texts, add_special_tokens=False)["input_ids"]]
    made.batch_tokens = 2 * (max(lengths) + 3)  # two sequences
    batches = [[i for i, _ in batch] for batch in made.generate(texts, Sampling(0.0, 3), [0] * 3)]
    order = sorted(range(3), key=lambda i: (-lengths[i], i))
    assert batches == [order[:2], order[2:]]


def test_the_draw_follows_the_tempered_distribution() -> None:
    """20,000 seeds draw from softmax(logits / 2) of five tokens: chi-square, alarm in 1 of 1,000."""
    logits, n = torch.tensor([0.0, 1.0, 2.0, -torch.inf, 3.0]), 20_000
    draw = InverseTransform(range(n), Sampling(2.0, 1), width=7)
    left = draw(torch.zeros(n, 7, dtype=torch.long), logits.repeat(n, 1))
    assert (left.isfinite().sum(1) == 1).all()
    counts = torch.bincount(left.argmax(1), minlength=5).double()
    expected = n * torch.softmax(logits.double() / 2, 0)
    assert counts[3] == 0
    kept = expected > 0
    assert ((counts - expected)[kept] ** 2 / expected[kept]).sum() < 16.27  # 3 degrees of freedom, 0.1 %


def test_end_tokens_are_those_of_the_tokenizer_and_of_the_model(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(LAB)
    own = tokenizer.eos_token_id
    assert end_ids(tmp_path, tokenizer) == [own]
    (tmp_path / "config.json").write_text('{"eos_token_id": 7}')
    assert end_ids(tmp_path, tokenizer) == sorted({7, own})
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [8, 9]}')
    assert end_ids(tmp_path, tokenizer) == sorted({8, 9, own})


def test_where_memory_runs_out_batches_get_smaller_and_samples_stay(
    texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is CUDA's; with room for three rows six are three and three; one row that does not fit is an error."""
    many, seeds, sampling = texts * 2, list(range(6)), Sampling(1.0, 96)
    expected = generated(engine(), many, sampling, seeds)
    made, sizes, own = engine(), list[int](), HFEngine._batch

    def tight(self: HFEngine, rows: list[list[int]], *rest: Any) -> list[Completion]:
        sizes.append(len(rows))
        if len(rows) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return own(self, rows, *rest)

    monkeypatch.setattr(HFEngine, "_batch", tight)
    room = 3
    assert generated(made, many, sampling, seeds) == expected and sizes == [6, 3, 3]
    room = 0
    with pytest.raises(torch.OutOfMemoryError):
        generated(engine(), texts, sampling, [0, 1, 2])
