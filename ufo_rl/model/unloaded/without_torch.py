"""A model's tokenizer and template for counting alone: without torch, network or weights."""

from __future__ import annotations

import functools
from functools import cached_property
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Model, Template
from ufo_rl.errors import UserError
from ufo_rl.model.chat import ChatModel, ModelFiles
from ufo_rl.model.template import fix_date
from ufo_rl.model.unloaded.architecture import cached_file
from ufo_rl.model.weights import local_folder


class CountingFiles(ModelFiles):
    """The files of a model that is here: in a folder, or downloaded before. UserError for others.

    The tokenizer is the one that tokenizer.json describes; what a class of transformers' would change of it is not known."""

    @cached_property
    def folder(self) -> Path:
        found = folder_here(self.model)
        if found is None:
            raise UserError(f"model.path={self.model.path} is not on this machine: no tokenizer to count tokens with")
        return found

    @cached_property
    def tokenizer(self) -> Any:
        tokenizer = _tokenizer(self.folder, self.chat_template)
        fix_date(tokenizer, self.model.date)
        return tokenizer


def folder_here(model: Model) -> Path | None:
    """The folder of a model that is on this machine with its tokenizer; None where it would be downloaded first."""
    folder = local_folder(model, makes=False)
    if folder is not None:
        return folder
    found = cached_file(model, "tokenizer.json")
    return None if found is None else found.parent


def counting_chat(model: Model, template: Template, memo: Path) -> ChatModel | None:
    """The model as its prompts are rendered and counted; None where nothing of it is here."""
    folder = folder_here(model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return None
    return ChatModel(model, template, memo, CountingFiles(model, memo))


@functools.lru_cache(maxsize=8)
def _tokenizer(folder: Path, chat_template: str | None) -> Any:
    from transformers import TokenizersBackend

    tokenizer = TokenizersBackend.from_pretrained(folder, padding_side="left")
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    elif isinstance(tokenizer.chat_template, dict):
        tokenizer.chat_template = tokenizer.chat_template.get("default", tokenizer.chat_template)
    return tokenizer
