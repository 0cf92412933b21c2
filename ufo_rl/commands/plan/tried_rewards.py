"""Rewards on a sample: what a right answer in the asked form gets, and what an empty completion gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ufo_rl.commands.plan.basis import Basis
from ufo_rl.files.keys import digest
from ufo_rl.model.turn import answer_form
from ufo_rl.records import AnswerForm, Prompt
from ufo_rl.reward.columns import RewardColumns, row_of
from ufo_rl.reward.parts import Part, for_trl

SAMPLE = 8  # prompts
Tried = tuple[str, list[str]]  # what is told, and problems
_known: dict[str, Tried] = {}


def try_rewards(basis: Basis) -> Tried:
    """Of the first prompts of a pool that is here. A problem: a part that raises, or a right answer that is worth no more than
    an empty one."""
    config, prepared = basis.config, basis.prepared
    if config is None or prepared is None or not basis.pool or not prepared.rewards:
        return "", []
    plain = basis.job.plain
    key = digest([plain[name] for name in ("model", "template", "dataset", "reward", "grader", "plugins", "paths")])
    if key not in _known:
        form = answer_form(config.template, basis.rendered[0]) if basis.chat is not None else _form(basis)
        _known[key] = _tried(prepared.rewards, basis.pool[:SAMPLE], form, config.template.layout == "chat")
    return _known[key]


def _form(basis: Basis) -> AnswerForm:
    assert basis.config is not None
    return AnswerForm(basis.config.template.answer_prefix, basis.config.template.answer_suffix)


def _tried(parts: Sequence[Part], prompts: Sequence[Prompt], form: AnswerForm, is_chat: bool) -> Tried:
    rows = [row_of(prompt, prompt.question) for prompt in prompts]
    right = [_right(prompt, form) for prompt in prompts]
    totals, problems = [0.0, 0.0], list[str]()
    for part in parts:
        try:
            for place, texts in enumerate((right, [""] * len(prompts))):
                rewards = [one for one in _called(part, rows, texts, is_chat) if one is not None]
                totals[place] += part.weight * sum(rewards) / max(1, len(rewards))
        except Exception as error:  # a part of the user's may raise anything, and would do so in training
            cause = error.__cause__ or error
            problems.append(
                f"reward.parts.{part.name} raised {type(cause).__name__} on prompt {prompts[0].id}: {cause}"
            )
    if not problems and totals[0] <= totals[1]:
        problems.append(
            f"the rewards give the reference answers of {len(prompts)} prompts {totals[0]:.3g} on average and empty "
            f"completions {totals[1]:.3g}: nothing would be learnt"
        )
    told = (
        f"on {len(prompts)} prompts {totals[0]:.3g} for the reference answer in its form, {totals[1]:.3g} for nothing"
    )
    return told, problems


def _right(prompt: Prompt, form: AnswerForm) -> str:
    opens = f"{form.think[0]} {prompt.answer} {form.think[1]} " if form.has_tags and not form.begun else ""
    if form.is_thinking:
        opens = f" {form.think[1]} "
    return f"{opens}{'' if form.is_answering else form.prefix}{prompt.answer} {form.suffix}".rstrip()


def _called(part: Part, rows: Sequence[dict[str, Any]], texts: Sequence[str], is_chat: bool) -> Sequence[float | None]:
    completions = [[{"role": "assistant", "content": text}] if is_chat else text for text in texts]
    given = {
        "prompts": [row["prompt"] for row in rows],
        "completions": completions,
        "completion_ids": [[0]] * len(rows),
    }
    given |= {"id": [row["id"] for row in rows], "log_metric": lambda *_: None, "log_extra": lambda *_: None}
    found = for_trl(part, RewardColumns(rows))(**given)
    return asyncio.run(found) if part.is_async else found
