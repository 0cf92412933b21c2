"""Chat templates as texts: the model's own, a file of the user's, and the variables that they read. Needs no tokenizer."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ufo_rl.config.schema import Model, Template
from ufo_rl.errors import Problems, UserError, nearest
from ufo_rl.files.atomic import read_json

# What transformers gives every chat template, or we do: nothing of a user's to set.
GIVEN = frozenset(
    ("messages", "conversation", "add_generation_prompt", "continue_final_message", "tools", "documents", "tokenize")
)
# Names that a template reads and that are no switch of it: functions and special tokens.
FIXED = frozenset(("raise_exception", "strftime_now", "bos_token", "eos_token", "pad_token", "unk_token"))
GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")  # a tag of transformers' own
KEY = "model.chat_template"


def read_chat_template(path: str) -> str:
    """The text of a file with a chat template. UserError where it is missing, no text in UTF-8, or no Jinja."""
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        siblings = [str(one) for one in file.parent.iterdir() if one.is_file()] if file.parent.is_dir() else []
        raise UserError(
            f"{KEY}={path}: no such file{nearest(str(file), siblings)}; give a file with a Jinja template, such as a "
            "model's chat_template.jinja"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserError(
            f"{KEY}={path} cannot be read as text in UTF-8 ({reason}); give a file with a template"
        ) from error
    variables_of(text, f"{KEY}={path}")
    if "messages" not in text:
        raise UserError(f"{KEY}={path} reads no messages: no question would be shown; give a chat template")
    return text


def variables_of(text: str, called: str) -> set[str]:
    """The names that a chat template reads. UserError where it is no Jinja, with the line."""
    from jinja2 import Environment, TemplateSyntaxError
    from jinja2.meta import find_undeclared_variables

    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(GENERATION.sub("", text))
    except TemplateSyntaxError as error:
        raise UserError(f"{called}: line {error.lineno} of the chat template: {error.message}; mend it") from error
    return find_undeclared_variables(tree)


def own_chat_template(folder: Path) -> str | None:
    """The chat template that a model's folder holds; None where it has none, "" where only the tokenizer can say which."""
    file, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    if (folder / "additional_chat_templates").is_dir() or (folder / "chat_templates").is_dir():
        return ""
    try:
        found = read_json(settings).get("chat_template") if settings.is_file() else None
    except ValueError:  # told where the tokenizer is loaded
        return ""
    if isinstance(found, list):  # several by name
        found = {one.get("name"): one.get("template") for one in found if isinstance(one, Mapping)}.get("default", "")
    return found if isinstance(found, str | None) else ""


def check_chat(model: Model, folder: Path | None, templates: Mapping[str, Template]) -> None:
    """The chat template and what the templates (by their keys, such as `template`) ask of it. UserError with every problem.
    folder: the model's, None where it is not here yet."""
    problems, text = Problems(), own_chat_template(folder) if folder is not None else ""
    if model.chat_template is not None:
        text = problems.attempt(read_chat_template, model.chat_template)
        problems.raise_any()
    chats = {key: one for key, one in templates.items() if one.layout == "chat"}
    if text is None and chats:
        raise UserError(no_chat_template(f"model.path={model.path}", next(iter(chats.values())).name))
    if not text:
        return
    called = f"{KEY}={model.chat_template}" if model.chat_template is not None else f"model.path={model.path}"
    for key, one in chats.items():
        if one.chat_template_kwargs:
            problems.add(*unknown_variables(key, one.chat_template_kwargs, variables_of(text, called)))
            problems.add(*no_switches(key, one.chat_template_kwargs, text))
    problems.raise_any()


def no_chat_template(called: str, name: str) -> str:
    return (
        f"{called} has no chat template, which template={name} needs: for a base model choose template=plain, for an "
        f"instruct model take its own from the folder that it came from, or give one with {KEY}=FILE"
    )


def no_switches(key: str, given: Mapping[str, Any], text: str) -> list[str]:
    """What is wrong with the values of KEY.chat_template_kwargs: a switch that is neither true nor false stays as it was, for
    `x is false` and `x is true` of Jinja take nothing else, and a text that says "false" is true."""
    problems = []
    for name, value in given.items():
        is_word = isinstance(value, str) and value.strip().lower() in ("true", "false", "yes", "no", "on", "off")
        is_switch = re.search(
            rf"\b{re.escape(str(name))}\s+is\s+(?:not\s+)?(?:true|false|boolean)\b", text, re.IGNORECASE
        )
        if is_word or (is_switch and not isinstance(value, bool)):
            shown = f'"{value}"' if isinstance(value, str) else value
            problems.append(
                f"{key}.chat_template_kwargs.{name}={shown} is neither true nor false, as the chat template has it; write "
                f"{key}.chat_template_kwargs.{name}=true or false, without quotes"
            )
    return problems


def unknown_variables(key: str, given: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """What is wrong with the names of KEY.chat_template_kwargs, for a template that reads the names in `known`."""
    free, problems = sorted(set(known) - GIVEN - FIXED), []
    for name in given:
        if name in GIVEN:
            problems.append(f"{key}.chat_template_kwargs.{name}: set by the program, not by hand; leave it out")
        elif name not in known:
            there = f"it reads {', '.join(free)}" if free else "it reads none"
            problems.append(
                f"{key}.chat_template_kwargs.{name}: the chat template knows no such variable{nearest(name, free)} ({there})"
            )
    return problems
