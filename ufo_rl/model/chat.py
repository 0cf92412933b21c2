"""The configured model as files, and a question as the text that it reads: one home for scoring, training, evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Model, Shot, Template
from ufo_rl.errors import UserError
from ufo_rl.files.keys import digest
from ufo_rl.model.branch import tell_commit
from ufo_rl.model.chat_template import check_chat, no_chat_template, read_chat_template
from ufo_rl.model.template import accepts_system_role, fix_date, messages, plain_text, render, tells_date
from ufo_rl.model.turn import answer_form
from ufo_rl.model.weights import fetch, fingerprint, load_tokenizer
from ufo_rl.records import AnswerForm, Prompt

log = logging.getLogger(__name__)
NUM_AT_ONCE = 10_000  # texts whose tokens are in memory together


class ModelFiles:
    """A model's folder and tokenizer, fetched and loaded when asked for, once for all templates. `memo` remembers the hashes
    of its files."""

    def __init__(self, model: Model, memo: Path) -> None:
        self.model, self.memo = model, memo

    @cached_property
    def folder(self) -> Path:
        folder = fetch(self.model)
        tell_commit(self.model, folder, self.memo.with_name("hub_commits.json"))
        return folder

    @cached_property
    def chat_template(self) -> str | None:
        """The text that stands in place of the model's own chat template; None for its own."""
        return read_chat_template(self.model.chat_template) if self.model.chat_template is not None else None

    @cached_property
    def tokenizer(self) -> Any:
        """Its chat template is told `model.date` wherever it asks for the date."""
        tokenizer = load_tokenizer(self.folder, self.chat_template)
        if tells_date(tokenizer):
            log.info("the chat template prints the date: it is told model.date=%s on every day", self.model.date)
        fix_date(tokenizer, self.model.date)
        return tokenizer

    @cached_property
    def has_system_role(self) -> bool:
        return accepts_system_role(self.tokenizer)

    @cached_property
    def begin(self) -> str:
        """The begin token that the tokenizer puts in front of a text by itself; "" where it puts none."""
        begin, ids = self.tokenizer.bos_token, self.tokenizer("a")["input_ids"]
        return begin if begin and ids[0] == self.tokenizer.convert_tokens_to_ids(begin) else ""


class ChatModel:
    """A model and its prompt template. `memo` remembers the hashes of its files; nothing is loaded before it is asked for.

    Once rendered, the texts of a pool are not kept: they can be large.
    """

    def __init__(self, model: Model, template: Template, memo: Path, files: ModelFiles | None = None) -> None:
        self.model, self.template, self.files = model, template, files or ModelFiles(model, memo)

    def asked_by(self, template: Template | None) -> ChatModel:
        """The same model under another template; None: under this one."""
        return self if template is None else ChatModel(self.model, template, self.files.memo, self.files)

    @property
    def folder(self) -> Path:
        return self.files.folder

    @cached_property
    def id(self) -> dict[str, str]:
        """What the model is, by content: weights, tokenizer, generation settings; a chat template of the user's."""
        return self.id_of(self.folder)

    def id_of(self, folder: Path) -> dict[str, str]:
        """The same of another model that is asked in the same way, such as the trained policy."""
        own = self.files.chat_template
        return {**fingerprint(folder, self.files.memo), **({} if own is None else {"chat_template": digest(own)})}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, with a chat template where the template needs one; UserError where there is none."""
        tokenizer = self.files.tokenizer
        if self.template.layout == "chat":
            if tokenizer.chat_template is None:
                raise UserError(no_chat_template(f"model.path={self.model.path}", self.template.name))
            check_chat(self.model, self.folder, {"template": self.template})
        return tokenizer

    @property
    def date(self) -> str | None:
        """The date that the chat template is told; None where it asks for none, or is not used."""
        return self.model.date if self.template.layout == "chat" and tells_date(self.tokenizer) else None

    @cached_property
    def form(self) -> AnswerForm:
        """The form of an answer, with what every prompt ends in."""
        return answer_form(self.template, self.render(Prompt("", "1 + 1 = ?", "")))

    def training_prompt(self, prompt: Prompt) -> list[dict[str, str]] | str:
        """What TRL is given: the conversation, or the text, to which its tokenizer adds its begin token by itself."""
        if self.template.layout == "text":
            return plain_text(self.template, prompt.question)
        return self.messages(prompt)

    def messages(self, prompt: Prompt, shots: Sequence[Shot] = ()) -> list[dict[str, str]]:
        return messages(self.template, prompt.question, self.files.has_system_role, shots)

    def render(self, prompt: Prompt, shots: Sequence[Shot] = ()) -> str:
        if self.template.layout == "text":
            return self.files.begin + plain_text(self.template, prompt.question, shots)
        return render(self.tokenizer, self.messages(prompt, shots), self.template.chat_template_kwargs)

    def num_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        """Tokens of each prompt as the model reads it, up to the assistant's turn."""
        found: list[int] = []
        for begin in range(0, len(prompts), NUM_AT_ONCE):
            texts = [self.render(prompt) for prompt in prompts[begin : begin + NUM_AT_ONCE]]
            found += [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        return found
