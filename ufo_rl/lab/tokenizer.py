"""The byte-level tokenizer of the tiny model: 256 byte tokens (id = byte value) and the marks of chat and answer.

Any UTF-8 text encodes to its bytes and decodes back unchanged; only the texts of the marks themselves are single tokens.
"""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

CHAT_MARKS = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
ANSWER_TAGS = ["<think>", "</think>", "<answer>", "</answer>"]
PAD_ID, END_ID = 256, 257
CONTEXT_LENGTH = 16384

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] -}}"
    "{%- if message['role'] == 'assistant' -%}{{- '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def byte_characters() -> list[str]:
    """The printable character that stands for each byte 0..255 in the vocabulary (the GPT-2 table of `tokenizers`)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def build() -> PreTrainedTokenizerFast:
    """The tokenizer, ready for `save_pretrained`.

    For a folder with `model_type: qwen2`, AutoTokenizer of transformers 5.19 ignores `tokenizer_class` and puts Qwen2's own
    NFC normalizer and pre-tokenizer over the vocabulary, which changes texts. An `auto_map`, even an empty one, makes it keep
    the saved tokenizer, unless trust_remote_code is on, which this model never needs.
    """
    vocabulary = {character: byte for byte, character in enumerate(byte_characters())}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in CHAT_MARKS])
    # Not special: the tags must survive decoding with skip_special_tokens=True, the grader reads them.
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ANSWER_TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        extra_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
        padding_side="left",
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
        auto_map=[],
    )
