"""The tiny model's tokenizer and folder: lossless bytes, the chat text, and a reload that changes nothing."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoProcessor, AutoTokenizer

import ufo_rl.lab
from ufo_rl.lab import tokenizer as lab_tokenizer
from ufo_rl.model.weights import _tokenizer_class, load_tokenizer

FOLDER = Path(ufo_rl.lab.__file__).parent / "tiny"

TEXTS = [
    "",
    " ",
    "  two  spaces , and ' n't  clean-up ! ",
    "line\nbreaks\r\n\ttabs\n\n",
    "\x00\x01\x1f\x7f\x85\u2028",
    "汉字、かな、한국어",
    "e\u0301 and \u00e9, \u1100\u1161 and \uac00, \u0958, \u212b",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽",
    "\ufeff\u200b\u200d\ufffd\U0010ffff",
    "$\\frac{1}{2}$ <b>not a mark</b> < think> <|endoftext|> <|im_start|>",
]


def loaded(tmp_path: Path) -> list:
    """The shipped tokenizer as AutoTokenizer reads it, and again after one more save."""
    first = AutoTokenizer.from_pretrained(FOLDER)
    first.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((FOLDER / "config.json").read_text())
    return [
        first,
        AutoTokenizer.from_pretrained(tmp_path),
        AutoProcessor.from_pretrained(FOLDER),
        lab_tokenizer.build(),
    ]


def random_text(random: Random) -> str:
    ranges = [(0, 0x80), (0x80, 0x800), (0x300, 0x370), (0x4E00, 0xA000), (0xE000, 0x10000), (0x10000, 0x110000)]
    return "".join(chr(random.randrange(*random.choice(ranges))) for _ in range(random.randrange(40)))


def test_any_text_is_its_bytes_and_comes_back(tmp_path):
    random = Random(0)
    texts = TEXTS + [random_text(random) for _ in range(500)]
    assert any(unicodedata.normalize("NFC", text) != text for text in texts)
    for tokenizer in loaded(tmp_path):
        for text in texts:
            ids = tokenizer(text, add_special_tokens=False).input_ids
            assert ids == list(text.encode())
            assert tokenizer.decode(ids) == text
            assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_vocabulary_is_256_bytes_and_nine_marks():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert len(tokenizer) == 265
    marks = lab_tokenizer.CHAT_MARKS + lab_tokenizer.ANSWER_TAGS
    assert tokenizer.convert_tokens_to_ids(marks) == list(range(256, 265))
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == ("<|pad|>", "<|end|>", None)
    assert tokenizer.padding_side == "left"


def test_tags_survive_decoding_and_chat_marks_do_not(tmp_path):
    text = "<|user|>1+1=?<|assistant|><think>1+1=2</think><answer> 2</answer><|end|><|pad|>"
    for tokenizer in loaded(tmp_path):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        # 1 + 5 + 1, then 1 + 5 + 1, then 1 + 2 + 1, then 2
        assert len(ids) == 20
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode(ids, skip_special_tokens=True) == "1+1=?<think>1+1=2</think><answer> 2</answer>"


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([("user", "1+1=?")], "<|user|>1+1=?<|assistant|>"),
        ([("system", "Think.\n"), ("user", " 1+1=? ")], "<|system|>Think.\n<|user|> 1+1=? <|assistant|>"),
        (
            [("user", "a"), ("assistant", "<answer> 2</answer>"), ("user", "b")],
            "<|user|>a<|assistant|><answer> 2</answer><|end|><|user|>b<|assistant|>",
        ),
    ],
)
def test_chat_template_text(messages, text):
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    messages = [{"role": role, "content": content} for role, content in messages]
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == text


def test_folder_is_small_and_long_of_context():
    config = json.loads((FOLDER / "config.json").read_text())
    tokenizer = json.loads((FOLDER / "tokenizer_config.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["max_position_embeddings"] == tokenizer["model_max_length"] == 16384
    assert (FOLDER / "model.safetensors").stat().st_size < 8_000_000


def test_model_reloads_with_identical_logits(tmp_path):
    model = AutoModelForCausalLM.from_pretrained(FOLDER).eval()
    assert model.dtype == torch.float32
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = AutoTokenizer.from_pretrained(FOLDER)("<|user|>47+5-12=?<|assistant|>", return_tensors="pt").input_ids
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, again(ids).logits)


def test_model_knows_the_direct_and_the_thinking_form():
    model = AutoModelForCausalLM.from_pretrained(FOLDER).eval()
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    ids = tokenizer("<|user|>47+5-12=?<|assistant|>", return_tensors="pt").input_ids
    with torch.inference_mode():
        probabilities = model(ids).logits[0, -1].softmax(-1)
    think, answer = tokenizer.convert_tokens_to_ids(["<think>", "<answer>"])
    # Room to learn: the model hesitates between the two forms and knows no third one.
    assert min(probabilities[think], probabilities[answer]) > 0.2
    assert probabilities[think] + probabilities[answer] > 0.99


def test_no_choice_is_left_to_auto_tokenizer_where_none_is_made(tmp_path: Path) -> None:
    """`"auto_map": []` keeps AutoTokenizer from rebuilding a Qwen2 tokenizer over the lab's vocabulary: the class is the
    one that is named. A folder that says less goes through AutoTokenizer."""
    ours, theirs = load_tokenizer(FOLDER), AutoTokenizer.from_pretrained(FOLDER, padding_side="left")
    assert type(ours) is type(theirs) and ours.get_vocab() == theirs.get_vocab()
    assert [ours(text)["input_ids"] for text in TEXTS] == [theirs(text)["input_ids"] for text in TEXTS]
    assert (ours.padding_side, ours.pad_token, ours.chat_template) == ("left", theirs.pad_token, theirs.chat_template)
    ours.save_pretrained(tmp_path)  # as training publishes a policy
    (tmp_path / "config.json").write_text((FOLDER / "config.json").read_text())
    assert _tokenizer_class(tmp_path) is _tokenizer_class(FOLDER) is type(ours)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    for change in (
        {"auto_map": {"AutoTokenizer": ["x.Y", None]}},
        {"tokenizer_class": "Qwen2Tokenizer"},
        {"auto_map": None},
    ):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | change))
        assert _tokenizer_class(tmp_path) is AutoTokenizer
