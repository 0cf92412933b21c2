"""The target's tokens by character offsets, over generated texts and three families of tokenizers."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ufo_rl.errors import UserError
from ufo_rl.signals.confidence.spans import Encoded, common_prefix, encode

CORPUS = [
    "the answer is 42 and then <answer> -5 </answer>",
    r"\frac{1}{2} + \sqrt{3} = \frac{a}{b} \text{ cm}",
    "Natalia sold 48/2 = 24 clips in May. 1,234 apples",
    "<answer> 1234 <answer> 17 <answer> -3 <answer> \\frac{3}{4}",
    "答案是 42 个苹果, 小明有三个 🍎🍏 and 👩‍👩‍👧 more",
] * 20


def byte_level_bpe() -> PreTrainedTokenizerFast:
    """GPT-2 style: a space belongs to the word behind it, merges over <answer> and the answer's first characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def sentencepiece_style() -> PreTrainedTokenizerFast:
    """Unigram over metaspaces, as SentencePiece makes it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=250, unk_token="<unk>", show_progress=False, special_tokens=["<unk>"]),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def wordpiece_style() -> PreTrainedTokenizerFast:
    """BERT style: lower case, accents and spaces gone, unknown words one token."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=300, show_progress=False, special_tokens=["[UNK]"])
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


FAMILIES: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "byte_level_bpe": cache(byte_level_bpe),
    "sentencepiece_style": cache(sentencepiece_style),
    "wordpiece_style": cache(wordpiece_style),
}
LOSSLESS = ("byte_level_bpe",)
ANSWERS = ["42", "-5", r"\frac{1}{2}", "1234", r"\text{ cm}", "a", "17 apples"]
ALPHABETS = {
    "ascii": "abcxyz ABC.,;:!?'\"()-+*/=<>",
    "digits": "0123456789,.-/%",
    "latex": [r"\frac", "{", "}", r"\sqrt", "^", "_", "x", "2", r"\pi", " ", r"\text", "(", ")", r"\left", "-", "$"],
    "cjk": "答案是个苹果小明有三的一二。 ",
    "emoji": ["🍎", "🍏", "👩‍👩‍👧", "é", "ñ", "ß", "😀", " "],
}


def generated(count: int) -> list[tuple[str, str, str]]:
    """(kind, prefix, target): what stands before ends as our prompts do, targets of all kinds, some very long."""
    rng = random.Random(5)
    cases = []
    for number in range(count):
        kind = list(ALPHABETS)[number % len(ALPHABETS)]
        letters = ALPHABETS[kind]
        size = 2000 if number % 97 == 0 else rng.randint(1, 20)
        target = "".join(rng.choice(letters) for _ in range(size))
        if number % 11 == 0:
            target = " " * rng.randint(1, 3) + target
        before = "".join(rng.choice(ALPHABETS[rng.choice(list(ALPHABETS))]) for _ in range(rng.randint(0, 30)))
        cases.append((kind, f"<user>{before}<answer> ", target))
    return [case for case in cases if case[2].strip()]


@pytest.mark.parametrize("family", FAMILIES)
def test_spans_are_all_tokens_that_overlap_the_target(family: str) -> None:
    tokenizer, cases = FAMILIES[family](), generated(600)
    rows = encode(tokenizer, [p + t for _, p, t in cases], [len(p) for _, p, _ in cases])
    reported: dict[str, int] = {}
    for (kind, prefix, target), row in zip(cases, rows, strict=True):
        text, start = prefix + target, len(prefix)
        offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        overlapping = [i for i, (a, b) in enumerate(offsets) if b > start and b > a]
        first = len(row.ids) - row.num_target
        assert overlapping[0] == first and len(offsets) == len(row.ids)
        assert row.border == text[min(offsets[first][0], start) : start]
        if row.border.strip():
            reported[kind] = reported.get(kind, 0) + 1
        elif family in LOSSLESS:
            decoded = tokenizer.decode(row.ids[first:])
            if "�" not in decoded:  # a character of several bytes can be cut by the border of a token only inside it
                assert decoded == row.border + target
    assert not reported.keys() & {"ascii", "digits", "latex"}
    assert sum(reported.values()) < 0.01 * len(cases)


@pytest.mark.parametrize("family", ["byte_level_bpe", "sentencepiece_style"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_the_span_decodes_to_the_answer(family: str, answer: str) -> None:
    tokenizer, head = FAMILIES[family](), "the question <answer> "
    (row,) = encode(tokenizer, [head + answer], [len(head)])
    assert tokenizer.decode(row.ids[-row.num_target :]).strip() == answer.strip()
    assert row.border.strip() == ""


def test_a_merge_over_more_than_white_space_is_reported() -> None:
    tokenizer, text = FAMILIES["byte_level_bpe"](), "see the answer"
    start = len("see the ans")
    (row,) = encode(tokenizer, [text], [start])
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert offsets[-1] == (7, 14)  # " answer" is one token, as trained
    assert (row.num_target, row.border) == (1, " ans")


@pytest.mark.parametrize(("text", "start"), [("42", 0), ("the answer ", 11)])
def test_no_context_or_no_target_is_an_error(text: str, start: int) -> None:
    with pytest.raises(UserError, match=r"no target tokens|no token before the target"):
        encode(FAMILIES["byte_level_bpe"](), [text], [start])


def test_the_common_prefix_by_hand() -> None:
    shared = list(range(10))
    rows = [Encoded([*shared, 20, 21], 1, ""), Encoded([*shared, 20, 22, 23], 1, ""), Encoded([*shared, 30, 31], 1, "")]
    assert common_prefix(rows) == shared
    assert common_prefix(rows[:2]) == shared  # 20 is shared too, but the first row needs a token of its own
    assert common_prefix([*rows, Encoded([*shared[:7], 40, 41, 42], 1, "")]) == []  # seven tokens are too few
    assert common_prefix([*rows, Encoded([*shared, 50], 2, "")]) == shared[:8]  # its target begins at place 9
    assert common_prefix(rows[:1]) == []
