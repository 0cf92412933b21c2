"""The grader of mathematics taken alone: it fulfils the protocol, is cheap to import, and serves TRL as a reward."""

from __future__ import annotations

import inspect

import pytest
from omegaconf import OmegaConf

from ufo_rl.config.folder import conf_folder
from ufo_rl.grader import Grader
from ufo_rl.grader.math import MathGrader, math_reward, trl_reward
from ufo_rl.records import Reference


def chat(*texts: str | None) -> list[dict[str, str | None]]:
    return [{"role": "assistant", "content": text} for text in texts]


def test_it_is_a_grader() -> None:
    grader = MathGrader(time_limit_s=5, max_chars=100, relative_tolerance=None)
    members = [name for name in vars(Grader) if not name.startswith("_")]
    assert {"problem_of", "grade_all", "same", "close"} <= set(members)
    for name in members:
        wanted = inspect.signature(getattr(Grader, name)).parameters
        assert list(inspect.signature(getattr(MathGrader, name)).parameters) == list(wanted)
    assert MathGrader.version == 7
    halves = [Reference("1/2"), Reference("1/2", {"unit": "m"}), Reference("")]
    assert [grader.problem_of(one) for one in halves] == ["", "", "it is empty"]
    graded = grader.grade_all(halves[:2], [r"\boxed{0.5}", r"\boxed{0.6}"])
    assert [one.correct for one in graded] == [True, False]
    assert graded == grader.grade_all(["1/2", "1/2"], [r"\boxed{0.5}", r"\boxed{0.6}"])
    assert grader.same("0.5", r"\frac12") and not grader.same("0.5", "2")
    assert grader.normal_form(r"$\dfrac{1}{2}$") == grader.normal_form(r"\frac{1}{2}") != grader.normal_form("0.5")
    grader.close()


def test_a_reward_for_texts_and_for_chats() -> None:
    texts = [r"so \boxed{0.5}", r"so \boxed{2}", "I do not know", ""]
    assert math_reward(completions=texts, solution=["1/2"] * 4) == [1.0, 0.0, 0.0, 0.0]
    assert math_reward(completions=[chat(text) for text in texts], solution=["1/2"] * 4) == [1.0, 0.0, 0.0, 0.0]
    assert all(type(reward) is float for reward in math_reward(completions=texts, solution=["1/2"] * 4))
    assert math_reward(completions=[], solution=[]) == []


def test_the_last_message_of_the_assistant_counts() -> None:
    with_tool = [*chat(r"\boxed{1}"), {"role": "tool", "content": r"\boxed{3}"}, *chat(r"\boxed{2}")]
    in_parts = [{"role": "assistant", "content": [{"type": "image"}, {"type": "text", "text": r"\boxed{2}"}]}]
    calls = [*chat(None), {"role": "tool", "content": "2"}]
    assert math_reward(completions=[with_tool, in_parts, calls, []], solution=["2"] * 4) == [1.0, 1.0, 0.0, 0.0]


def test_a_solution_without_an_answer_gives_no_reward() -> None:
    golds = [
        "7",
        r"We add, so it is $\boxed{7}$.",
        "3 + 4 = 7\n#### 7",
        7,
        "",
        "$$",
        None,
        {"answer": "7"},
        r"\frac{1}{",
    ]
    assert math_reward(completions=[r"\boxed{7}"] * 9, solution=golds) == [1.0] * 4 + [None] * 5


def test_it_takes_what_a_trainer_hands_over() -> None:
    rewards = math_reward(
        prompts=["1+1?", "1+2?"],
        completions=[r"\boxed{2}", r"\boxed{4}"],
        completion_ids=[[1, 2], [3]],
        solution=["2", "3"],
        level=["easy", "hard"],
        trainer_state=object(),
        log_extra=print,
        log_metric=print,
        environments=None,
    )
    assert rewards == [1.0, 0.0]
    assert math_reward.__name__ == "math_reward"  # TRL names its metrics by it


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        math_reward(completions=["1"], solution=["1", "2"])


def test_its_limits_are_those_of_the_configuration() -> None:
    limits = OmegaConf.load(conf_folder() / "grader" / "math.yaml")
    assert (limits.time_limit_s, limits.max_chars) == (trl_reward.TIME_LIMIT_S, trl_reward.MAX_CHARS)
