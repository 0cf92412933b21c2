"""The configured model as files, and a question as the text that it reads: one home for scoring, training, evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Model, Shot, Template
from ufo_rl.model.template import accepts_system_role, fix_date, messages, render, tells_date
from ufo_rl.model.weights import fetch, fingerprint, load_tokenizer
from ufo_rl.records import Prompt

log = logging.getLogger(__name__)
NUM_AT_ONCE = 10_000  # texts whose tokens are in memory together


class ChatModel:
    """A model and its prompt template. `memo` remembers the hashes of its files; nothing is loaded before it is asked for.

    Once rendered, the texts of a pool are not kept: they can be large.
    """

    def __init__(self, model: Model, template: Template, memo: Path) -> None:
        self.model, self.template, self.memo = model, template, memo

    @cached_property
    def folder(self) -> Path:
        return fetch(self.model)

    @cached_property
    def id(self) -> dict[str, str]:
        """What the model is, by content: weights, tokenizer, generation settings."""
        return self.id_of(self.folder)

    def id_of(self, folder: Path) -> dict[str, str]:
        """The same of another model that is asked in the same way, such as the trained policy."""
        return fingerprint(folder, self.memo)

    @cached_property
    def tokenizer(self) -> Any:
        """Its template is told `model.date` wherever it asks for the date."""
        tokenizer = load_tokenizer(self.folder)
        if tells_date(tokenizer):
            log.info(
                "the chat template prints the date: it is told model.date=%s, today and on every other day",
                self.model.date,
            )
        fix_date(tokenizer, self.model.date)
        return tokenizer

    @property
    def date(self) -> str | None:
        """The date that the template is told; None where it asks for none."""
        return self.model.date if tells_date(self.tokenizer) else None

    @cached_property
    def has_system_role(self) -> bool:
        return accepts_system_role(self.tokenizer)

    def messages(self, prompt: Prompt, shots: Sequence[Shot] = ()) -> list[dict[str, str]]:
        return messages(self.template, prompt.question, self.has_system_role, shots)

    def render(self, prompt: Prompt, shots: Sequence[Shot] = ()) -> str:
        return render(self.tokenizer, self.messages(prompt, shots))

    def num_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        """Tokens of each prompt as the model reads it, up to the assistant's turn."""
        found: list[int] = []
        for begin in range(0, len(prompts), NUM_AT_ONCE):
            texts = [self.render(prompt) for prompt in prompts[begin : begin + NUM_AT_ONCE]]
            found += [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        return found
