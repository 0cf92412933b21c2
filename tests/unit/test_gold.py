"""A gold that nobody could be right about is named before it is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ufo_rl.grader.math.text.gold import problem_of


@pytest.mark.parametrize(
    "gold", ["7", "-12", "025", r"\frac{1}{2}", r"\{1, 2\}", "x = 5", r"90^\circ", r"\text{Evelyn}"]
)
def test_usable(gold: str) -> None:
    assert problem_of(gold) == ""


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("x" * 2001, "it has 2001 characters, the limit is 2000"),
        (r"\frac{1}{2", "its braces do not balance"),
        ("1}", 'inside \\boxed{} it reads as "1"'),
        (r"\boxed{3}", 'inside \\boxed{} it reads as "3"'),
        ("$$", "nothing but marks"),
    ],
)
def test_unusable(gold: str, problem: str) -> None:
    assert problem_of(gold).startswith(problem)


def test_golds_of_the_sets_are_usable_but_four(shared_data: Path) -> None:
    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (shared_data / f"{name}.jsonl").read_text().splitlines()]

    golds = {
        "dapo_math_17k": [row["reward_model"]["ground_truth"] for row in rows("dapo_math_17k")],
        "gsm8k_train": [row["answer"].rpartition("####")[2].strip() for row in rows("gsm8k_train")],
        "gsm8k_test": [row["answer"].rpartition("####")[2].strip() for row in rows("gsm8k_test")],
        "math_train": [row["answer"] or "" for row in rows("math_train")],
        "math500": [row["answer"] for row in rows("math500_test")],
        "olympiadbench": [row["final_answer"][0] for row in rows("olympiadbench_test")],
        "aime24": [row["answer"] for row in rows("aime24_test")],
        "aime25": [row["answer"] for row in rows("aime25_test")],
        "amc23": [str(row["answer"]) for row in rows("amc23_test")],
    }
    problems = [(name, problem) for name, some in golds.items() for gold in some if (problem := problem_of(gold))]
    assert sum(map(len, golds.values())) == 34_939
    assert problems == [("math_train", "it is empty")] * 4
