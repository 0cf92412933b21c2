"""The confidence signal against an independent float64 reference, and the rule of the target span."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers import decoders as token_decoders
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from ufo_rl.signals.confidence import Encoded, encode, mean_logprobs, measure

CORPUS = [
    "the answer is 42 and then <answer> -5 </answer>",
    r"\frac{1}{2} + \sqrt{3} = \frac{a}{b} \text{ cm}",
    "Natalia sold 48/2 = 24 clips in May. 1,234 apples",
    "<answer> 1234 <answer> 17 <answer> -3 <answer> \\frac{3}{4}",
] * 20


def byte_level_bpe() -> PreTrainedTokenizerFast:
    """GPT-2 style: a space belongs to the word behind it, merges over <answer> and the answer's first characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = token_decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def sentencepiece_style() -> PreTrainedTokenizerFast:
    """Unigram over metaspaces with byte fallback, as SentencePiece makes it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = token_decoders.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=200, unk_token="<unk>", show_progress=False, special_tokens=["<unk>"]),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


TOKENIZERS = {"byte_level_bpe": byte_level_bpe, "sentencepiece_style": sentencepiece_style}
ANSWERS = ["42", "-5", r"\frac{1}{2}", "1234", r"\text{ cm}", "a", "17 apples"]


@pytest.mark.parametrize("family", TOKENIZERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_span_is_every_token_that_overlaps_the_answer(family: str, answer: str) -> None:
    tokenizer = TOKENIZERS[family]()
    head = "the question <answer> "
    (row,) = encode(tokenizer, [head + answer], [len(head)])
    offsets = tokenizer(head + answer, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    by_hand = [i for i, (_, end) in enumerate(offsets) if end > len(head)]
    assert row.num_target == len(by_hand) and by_hand == list(range(len(row.ids) - row.num_target, len(row.ids)))
    assert tokenizer.decode(row.ids[-row.num_target :]).strip() == answer.strip()
    assert row.border.strip() == ""


def test_a_merge_over_more_than_white_space_is_reported() -> None:
    tokenizer = byte_level_bpe()
    text = "see the answer"
    start = len("see the ans")
    (row,) = encode(tokenizer, [text], [start])
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert offsets[-1] == (7, 14)  # " answer" is one token, as trained
    assert (row.num_target, row.border) == (1, " ans")


def test_no_context_before_the_target_is_an_error() -> None:
    with pytest.raises(ValueError, match="no context"):
        encode(byte_level_bpe(), ["42"], [0])


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=20,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    model = Qwen2ForCausalLM(config).eval()
    model.lm_head.weight.data *= 4  # probabilities from near 0 to near 1, not 1/20 everywhere
    return model


@pytest.fixture(scope="module")
def rows() -> list[Encoded]:
    rng = random.Random(3)
    lengths = [rng.randint(2, 90) for _ in range(80)]
    # mostly short targets: the geometric mean of many random probabilities is the same for every row
    return [
        Encoded([rng.randrange(20) for _ in range(n)], rng.randint(1, n - 1 if n % 4 == 0 else 1), "") for n in lengths
    ]


def reference(model: Qwen2ForCausalLM, rows: list[Encoded]) -> np.ndarray:
    """Each row alone, unpadded, weights and arithmetic in float64; the sum written out token by token."""
    double = Qwen2ForCausalLM(model.config).double().eval()
    double.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    means = []
    for row in rows:
        with torch.no_grad():
            logits = double(torch.tensor([row.ids])).logits[0]
        terms = []
        for position in range(len(row.ids) - row.num_target, len(row.ids)):
            before = logits[position - 1]
            terms.append((before[row.ids[position]] - torch.logsumexp(before, 0)).item())
        means.append(math.fsum(terms) / len(terms))
    return np.array(means)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_confidence_is_within_1e5_of_the_float64_reference(
    model: Qwen2ForCausalLM, rows: list[Encoded], batch_size: int
) -> None:
    expected = np.exp(reference(model, rows))
    order = list(range(len(rows)))
    random.Random(batch_size).shuffle(order)
    shuffled = [rows[i] for i in order]
    found = dict(item for batch in measure(model, shuffled, batch_size, 16384, pad_id=0) for item in batch)
    got = np.exp([found[order.index(i)].mean_logprob for i in range(len(rows))])
    assert expected.std() > 0.01  # a constant would make the comparison below empty
    assert np.abs(got - expected).max() < 1e-5


def test_a_batch_of_long_rows_is_smaller(model: Qwen2ForCausalLM, rows: list[Encoded]) -> None:
    batches = [[i for i, _ in batch] for batch in measure(model, rows, 64, 200, pad_id=0)]
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    assert all(len(b) * max(len(rows[i].ids) for i in b) <= 200 for b in batches)


def test_a_uniform_model_has_confidence_one_over_the_vocabulary(model: Qwen2ForCausalLM) -> None:
    flat = Qwen2ForCausalLM(model.config).eval()
    torch.nn.init.zeros_(flat.lm_head.weight)
    (mean,) = mean_logprobs(flat, [Encoded([1, 2, 3, 4], 2, "")], pad_id=0)
    assert math.exp(mean) == pytest.approx(1 / 20, rel=1e-6)
