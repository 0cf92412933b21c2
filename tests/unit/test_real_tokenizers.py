"""Real tokenizers and chat templates (Qwen3, Llama 3.1) and one made by SentencePiece: spans, borders, one beginning."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sentencepiece

from ufo_rl.config.schema import Template
from ufo_rl.model.template import accepts_system_role, messages, render, tells_date
from ufo_rl.model.weights import load_tokenizer
from ufo_rl.records import Prompt
from ufo_rl.signals.confidence.spans import encode
from ufo_rl.signals.confidence.target import scored_text

R1 = Template("r1", "Think first, then answer.", "{question}")
REAL = ("qwen3", "llama3.1")
FAMILIES = (*REAL, "sentencepiece")
LETTERS = "答案是个苹果小明有三的一二"
LLAMA_2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'system' %}{{ raise_exception('no system role') }}{% else %}{{ ' ' + m.content + eos_token }}"
    "{% endif %}{% endfor %}"
)


@cache
def real(name: str) -> Any:
    folder = os.environ.get("UFO_RL_TOKENIZERS")
    if not folder:
        pytest.skip("UFO_RL_TOKENIZERS is not set: it names the folder of the real tokenizers")
    return load_tokenizer(Path(folder) / name)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A BPE with byte fallback, digits one by one and a dummy space in front, as Llama 2 and Mistral have it."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    random = Random(0)
    corpus = [answer for kind in KINDS for answer in answers(kind)] + [f"the answer is <answer> {random.random()}"] * 50
    (folder / "corpus.txt").write_text("\n".join(corpus), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=600,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        minloglevel=2,
    )
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "legacy": false}'
    )
    tokenizer = load_tokenizer(folder)
    tokenizer.chat_template = LLAMA_2
    return tokenizer


@pytest.fixture
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("made") if request.param == "sentencepiece" else real(request.param)


def integer(random: Random) -> str:
    return f"{random.choice(('', '', '-'))}{random.randint(0, 10 ** random.randint(1, 8))}"


def fraction(random: Random) -> str:
    return f"{integer(random)}/{random.randint(1, 99)}"


def latex(random: Random) -> str:
    inner = rf"\frac{{{random.randint(1, 99)}}}{{{random.choice('xyab')}}}"
    return random.choice((inner, rf"\sqrt{{{inner}}}", rf"{inner}+{random.randint(1, 9)}\pi", rf"$(-\infty, {inner}]$"))


def cjk(random: Random) -> str:
    return "".join(random.choice(LETTERS) for _ in range(random.randint(1, 6))) + random.choice(("", "。", "12个"))


KINDS = {"integers": integer, "fractions": fraction, "latex": latex, "cjk": cjk}


def answers(kind: str) -> list[str]:
    random = Random(kind)
    return [KINDS[kind](random) for _ in range(300)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokenizer", FAMILIES, indirect=True)
def test_the_targets_tokens_are_the_answer(tokenizer: Any, kind: str) -> None:
    check_targets(tokenizer, kind)


def check_targets(tokenizer: Any, kind: str) -> None:
    """Of 300 answers: the target's tokens decode to the answer."""
    system = accepts_system_role(tokenizer)
    prompt = render(tokenizer, messages(R1, "What is it?", system))
    rows = [(answer, *scored_text("answer", prompt, Prompt("id", "What is it?", answer))) for answer in answers(kind)]
    encoded = encode(tokenizer, [text for _, text, _ in rows], [start for *_, start in rows])
    for (answer, text, start), row in zip(rows, encoded, strict=True):
        assert text[start:] == answer and row.ids == tokenizer(text, add_special_tokens=False)["input_ids"]
        target, before = row.ids[-row.num_target :], row.ids[: -row.num_target]
        # a token of the target may begin with what stands before the answer, which is then told
        said = tokenizer.decode(target, clean_up_tokenization_spaces=False)
        assert said.lstrip() == (row.border + answer).lstrip() and row.border in ("", " ", "> ")
        assert not tokenizer.decode(before, clean_up_tokenization_spaces=False).endswith(answer)


@pytest.mark.parametrize(
    ("name", "answer", "tokens", "border"),
    [
        ("qwen3", "-5", [" -", "5"], " "),
        ("llama3.1", "-5", [" -", "5"], " "),
        ("qwen3", "12345", ["1", "2", "3", "4", "5"], ""),
        ("llama3.1", "12345", ["123", "45"], ""),
    ],
)
def test_borders_as_they_are_known(name: str, answer: str, tokens: list[str], border: str) -> None:
    tokenizer = real(name)
    text = f"{render(tokenizer, messages(R1, 'Well?', True))}<answer> {answer}"
    (row,) = encode(tokenizer, [text], [len(text) - len(answer)])
    assert [tokenizer.decode([i]) for i in row.ids[-row.num_target :]] == tokens and row.border == border


@pytest.mark.parametrize("tokenizer", FAMILIES, indirect=True)
def test_a_prompt_has_one_beginning_and_shows_system_and_question(tokenizer: Any) -> None:
    system = accepts_system_role(tokenizer)
    text = render(tokenizer, messages(R1, "What is 2 + 2?", system))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    begin = tokenizer.bos_token_id
    assert ids.count(begin) == (0 if "qwen" in str(tokenizer.name_or_path) else 1) or begin is None
    assert "Think first, then answer." in text and "What is 2 + 2?" in text
    assert text.index("Think first") < text.index("What is 2 + 2?")
    assert system == (tokenizer.chat_template != LLAMA_2)


def test_the_thinking_switch_of_qwen3() -> None:
    tokenizer, said = real("qwen3"), messages(R1, "2+2?", True)
    assert not render(tokenizer, said).rstrip().endswith("</think>")
    assert render(tokenizer, said, {"enable_thinking": False}).endswith("<think>\n\n</think>\n\n")


def test_llamas_own_text_around_a_question() -> None:
    """This copy of its template prints no date; it writes the beginning itself, which a second one must not double."""
    tokenizer = real("llama3.1")
    text = render(tokenizer, messages(R1, "2+2?", True))
    assert text == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nThink first, then answer.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert not tells_date(tokenizer)
    assert tokenizer(text)["input_ids"][:2] == [tokenizer.bos_token_id] * 2  # what adding special tokens again would do
