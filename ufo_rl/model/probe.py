"""A question that only tries the chat template: does the model get to see what it is asked?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2.exceptions import TemplateSyntaxError
from markupsafe import escape

from ufo_rl.config.schema import Shot, Template
from ufo_rl.errors import Problems, UserError, in_a_line
from ufo_rl.model.template import ChatTokenizer, accepts_system_role, messages, render, text_of

# Signs that mathematics and markup share, a word twice; and many lines of words that no template has, enough to be cut.
SIGNS = """3<x and y>2, $a_{1}$ \\frac{1}{2} 50% 'it' "is" & #7 **2** again again"""
QUESTION = "\n".join(f"{'' if number % 100 else SIGNS} probe{number} line" for number in range(1000, 3000))
DRAWN = re.compile(r"\|\s*random\b|\blipsum\s*\(")  # what makes a template differ from call to call


def check_template(
    tokenizer: ChatTokenizer, folder: Path, template: Template, few_shot: Sequence[Sequence[Shot]] = ()
) -> None:
    """UserError where the chat template cannot be rendered, drops or moves words of a question, drops those of worked
    examples, or draws at random. What it adds, escapes, or does to space and case is its own affair. few_shot: the examples
    of each benchmark."""
    if template.layout == "text":
        return
    problems, own = Problems(), getattr(tokenizer, "chat_template", None)
    if isinstance(own, dict):
        raise UserError(
            f"the tokenizer in {folder} has several chat templates ({', '.join(sorted(own))}) and none is the default; save "
            "the one that is meant as chat_template.jinja in that folder, or name a file by model.chat_template"
        )
    if DRAWN.search(text_of(tokenizer)):
        problems.add(
            f"the chat template in {folder} draws at random (random, lipsum): no two prompts would be asked alike; take that "
            "out of the template"
        )
    for shots in {tuple(one): None for one in (template.few_shot, *few_shot)}:
        problems.attempt(_check_words, tokenizer, folder, template, shots)
    problems.raise_any()


def _check_words(tokenizer: ChatTokenizer, folder: Path, template: Template, shots: Sequence[Shot]) -> None:
    what = f"{len(shots)} worked examples and a question" if shots else "a question"
    try:
        asked = messages(template, QUESTION, accepts_system_role(tokenizer), shots)
        text = render(tokenizer, asked, template.chat_template_kwargs).casefold()
    except TemplateSyntaxError as error:
        raise UserError(
            f"the chat template in {folder} has an error in line {error.lineno}: {error.message}; mend the template"
        ) from error
    except Exception as error:  # a template can raise whatever Python can
        raise UserError(
            f"the chat template in {folder} cannot show {what}: {in_a_line(error)}; mend it, or take the model's own"
        ) from error
    words, shown = QUESTION.split(), " ".join(f"{shot.question} {shot.response}" for shot in shots)
    lost = _out_of_order(words, text)
    if lost:
        raise UserError(
            f"the chat template in {folder} drops {len(lost)} of {len(words)} words of the question, or moves them (first "
            f"{lost[0]}): the model would not see what it is asked; take the model's own template"
        )
    words = re.findall(r"[a-z0-9]+", shown.casefold())
    lacking = [word for word in words if word not in text]
    if lacking:
        raise UserError(
            f"the chat template in {folder} drops {len(lacking)} of {len(words)} words of the worked examples: the model would "
            "not see what it is asked; take the model's own template"
        )


def _out_of_order(words: Sequence[str], text: str) -> list[str]:
    """The words that do not stand in the text behind those before them, as they are or escaped for HTML or JSON."""
    at, lost = 0, []
    for word in words:
        forms = {form.casefold() for form in (word, str(escape(word)), json.dumps(word)[1:-1])}
        ends = [place + len(form) for form in forms if (place := text.find(form, at)) >= 0]
        at = min(ends, default=at)
        lost += [] if ends else [word]
    return lost
