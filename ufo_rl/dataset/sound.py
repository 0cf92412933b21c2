"""Whether what a dataset loaded is a pool that the rest can work with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.records import Pool, Prompt

TEXTS = ("id", "question", "answer", "solution", "level", "subject")


def check_pool(pool: Any, key: str) -> None:
    """Raises one UserError with all that is wrong with what `load` returned for the dataset at `key`."""
    if not isinstance(pool, Pool):
        raise UserError(f"{key}: its load returned {_kind(pool)}, not a pool; return ufo_rl.records.Pool(prompts)")
    prompts: Sequence[Any] = pool.prompts
    if not isinstance(prompts, list | tuple):
        raise UserError(f"{key}: the prompts of its pool are {_kind(prompts)}; make them a list")
    if odd := [prompt for prompt in prompts if not isinstance(prompt, Prompt)]:
        raise UserError(
            f"{key}: {len(odd)} of {len(prompts)} prompts are no ufo_rl.records.Prompt, the first is {_kind(odd[0])}"
        )
    checks: tuple[tuple[Callable[[Prompt], str], str], ...] = (
        (_problem_of_texts, "give each prompt texts; one without is ''"),
        (_problem_of_columns, "carry values that JSON can hold, for example str(value)"),
    )
    problems = []
    for problem_of, cure in checks:
        if bad := [(prompt, problem) for prompt in prompts if (problem := problem_of(prompt))]:
            first, problem = bad[0]
            problems.append(f"{key}: {len(bad)} of {len(prompts)} prompts: {problem}, first {first.id!r}; {cure}")
    if not problems and (many := len(prompts) - len({prompt.id for prompt in prompts})):
        ((most, times),) = Counter(prompt.id for prompt in prompts).most_common(1)
        problems.append(
            f"{key}: {times} prompts share the id {most!r} ({many} of {len(prompts)} repeat one); use "
            "ufo_rl.records.prompt_id(question), and leave out questions that are there already"
        )
    if problems:
        raise UserError(*problems)


def _problem_of_texts(prompt: Prompt) -> str:
    for name in TEXTS:
        if not isinstance(value := getattr(prompt, name), str):
            return f"{name} is {_kind(value)}, not a str"
    return "" if prompt.id else "id is empty"


def _problem_of_columns(prompt: Prompt) -> str:
    if not prompt.columns:
        return ""
    for name, value in dict(prompt.columns).items():
        try:
            json.dumps({name: value})
        except (TypeError, ValueError) as error:
            return f"JSON cannot hold the column {name}: {error}"
        if not isinstance(name, str):
            return f"the column {name!r} has no name of letters"
    return ""


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of the type {type(value).__name__}"
