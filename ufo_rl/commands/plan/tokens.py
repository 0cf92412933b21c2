"""Tokens of the prompts: counted where the tokenizer and the data are here, else estimated, and said to be."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Config, Template
from ufo_rl.model.chat import ChatModel
from ufo_rl.records import Prompt

FACTS = Path(__file__).with_name("data_facts.json")
OF_TEMPLATE = (
    13  # tokens that a chat template puts around system and question: Qwen3's 13, Llama 3.1's 14 with template=r1
)
PROSE = 4.5  # bytes a token of a template's words: of template=r1 4.65 and 4.33
FAMILIES = {"llama-3": "llama", "qwen": "qwen", "smollm2": "smollm2"}  # a part of model.path, and whose grain it has
GRAIN = 3.5  # bytes a token where neither the family nor the data is known


@dataclass(frozen=True)
class PromptTokens:
    """mean, longest: tokens of a rendered prompt. total: of all, where they were counted. source: in words."""

    mean: float
    longest: int
    is_exact: bool
    source: str
    total: int | None = None


@functools.cache
def data_facts() -> dict[str, Any]:
    return json.loads(FACTS.read_text(encoding="utf-8"))


def facts_of(node: dict[str, Any]) -> dict[str, Any] | None:
    """What is shipped of a dataset of the hub; None for others."""
    key = "/".join(str(node.get(name) or "") for name in ("path", "config_name", "split"))
    return data_facts().get(key)


def counted(chat: ChatModel, prompts: Sequence[Prompt]) -> PromptTokens:
    lengths = chat.num_tokens(prompts)
    source = "counted with the model's tokenizer.json"
    return PromptTokens(sum(lengths) / len(lengths), max(lengths), True, source, sum(lengths))


def guessed(config: Config, template: Template, prompts: Sequence[Prompt] | None, node: dict[str, Any]) -> PromptTokens:
    """From bytes: of the prompts that are here, or of what is shipped of the dataset; of the template alone where
    neither is."""
    known = facts_of(node)
    family = next((name for part, name in FAMILIES.items() if part in config.model.path.lower()), None)
    grain = GRAIN if known is None or family is None else known["bytes_per_token"][family]
    if prompts:
        sizes = [len(prompt.question.encode()) for prompt in prompts]
        mean, longest = sum(sizes) / len(sizes), float(max(sizes))
    else:
        mean, longest = (known["question_bytes"], known["longest_bytes"]) if known else (0.0, 0.0)
    shots = sum(len((shot.question + shot.response).encode()) for shot in template.few_shot)
    around = (len((template.system + template.user.replace("{question}", "")).encode()) + shots) / PROSE + OF_TEMPLATE
    source = (
        f"estimated: {grain:g} bytes a token and {OF_TEMPLATE} tokens of the chat template; the tokenizer is not here"
    )
    return PromptTokens(mean / grain + around, round(longest / grain + around), False, source)
