"""Word problems: every story's numbers, read back from its words by an independent reader."""

from __future__ import annotations

import re

import pytest

from ufo_rl.dataset.generated import bucket
from ufo_rl.dataset.words import NUMBERS, TWO_STEPS, Words
from ufo_rl.records import Prompt

LEVELS = [1, 2, 3, 4, 5]
TAKES = ("loses", "gives", "sells", "breaks")


def pool(split: str = "train", num_prompts: int = 1000, seed: int = 0) -> list[Prompt]:
    return Words(split=split, num_prompts=num_prompts, levels=LEVELS, seed=seed).load().prompts


def read(question: str) -> int:
    """The answer, from the words alone."""
    first, *rest = re.findall(r"\d+", question)
    if " in each" in question:
        return int(first) * int(rest[0])
    value = int(first)
    for sentence, number in zip(question.split(".")[1:], rest, strict=False):
        value += -int(number) if any(f" {word} " in sentence for word in TAKES) else int(number)
        assert value >= 0
    return value


@pytest.mark.parametrize("split", ["train", "test"])
def test_answers_are_what_the_words_say(split: str) -> None:
    for prompt in pool(split):
        assert read(prompt.question) == int(prompt.answer)
        steps = prompt.solution.split("\n")
        assert len(steps) == (2 if prompt.level == "5" else 1)
        for step in steps:
            left, right = step.split(" = ")
            assert eval(left, {}) == int(right)  # digits and one sign, written by us
        assert steps[-1].endswith(f"= {prompt.answer}")


def test_levels_keep_to_their_numbers() -> None:
    for prompt in pool():
        numbers = [int(number) for number in re.findall(r"\d+", prompt.question)]
        above, largest = NUMBERS.get(int(prompt.level), (0, TWO_STEPS if prompt.level == "5" else 10))
        assert above < max(numbers) <= largest
        assert ("in each" in prompt.question) == (prompt.level == "4")


def test_splits_share_no_story_and_a_larger_pool_keeps_the_smaller() -> None:
    train, test = (
        {prompt.question for seed in (0, 1) for prompt in pool(split, 500, seed)} for split in ("train", "test")
    )
    assert not train & test and {bucket(question) for question in test} <= set(range(0, 15))
    assert pool(num_prompts=200) == pool(num_prompts=400)[:200] and pool(seed=1) != pool(seed=0)
    assert len({prompt.id for prompt in pool(num_prompts=2000)}) == 2000
