"""A reward for TRL: `GRPOTrainer(reward_funcs=[math_reward], ...)` on rows that have a column `solution`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ufo_rl.grader.math.answer import MathGrader
from ufo_rl.grader.math.text.extract import extract

# The limits of conf/grader: this function is for programs that have no configuration of ours.
TIME_LIMIT_S, MAX_CHARS = 5.0, 2000


def math_reward(completions: Sequence[Any], solution: Sequence[Any], **kwargs: Any) -> list[float | None]:
    r"""1.0 for a right final answer, 0.0 for a wrong one, None (which TRL leaves out) where the solution has none to compare.

    completions: texts, or chats as TRL has them, whose last message of the assistant counts.
    solution: a reference for each: the bare answer, or a whole solution with its answer in `\boxed{..}` or the like.
    kwargs: what else TRL hands over (prompts, completion_ids, other columns, trainer_state); none of it matters.

    ValueError when the two lists differ in length. All calls of a process share one grader; its children end with it.
    """
    grader = _grader(os.getpid())
    golds = [_gold(one, grader) for one in solution]
    pairs = [(gold, _text(said)) for gold, said in zip(golds, completions, strict=True) if gold is not None]
    graded = iter(grader.grade_all([gold for gold, _ in pairs], [text for _, text in pairs]))
    return [None if gold is None else float(next(graded).correct) for gold in golds]


@lru_cache(maxsize=1)
def _grader(process: int) -> MathGrader:
    """One for each process: a fork would talk into the pipes of its parent."""
    return MathGrader(TIME_LIMIT_S, MAX_CHARS)


def _gold(solution: Any, grader: MathGrader) -> str | None:
    if not isinstance(solution, str | int | float):
        return None
    text = str(solution)
    gold = extract(text) or text
    return None if grader.problem_of(gold) else gold


def _text(completion: Any) -> str:
    if isinstance(completion, str):
        return completion
    said = [message for message in completion if message.get("role", "assistant") == "assistant"]
    content = said[-1].get("content") if said else ""
    if isinstance(content, str | None):
        return content or ""  # a message that only calls a tool
    return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
