"""The arithmetic problems: what is promised about answers, levels and splits."""

from __future__ import annotations

import ast
import operator
from itertools import islice
from random import Random

import pytest

from ufo_rl.dataset.arithmetic import LARGEST_OPERAND, Arithmetic, Problem, stream
from ufo_rl.dataset.generated import bucket
from ufo_rl.errors import UserError
from ufo_rl.records import prompt_id

SIX_LEVELS = [1, 2, 3, 4, 5, 6]


def evaluate(text: str) -> int:
    """An independent calculator: Python's own parser and nothing of the package."""
    operations = {ast.Add: operator.add, ast.Sub: operator.sub}

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.BinOp):
            return operations[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant) and isinstance(node.value, int)
        return node.value

    return value(ast.parse(text, mode="eval").body)


def pool(split: str = "train", num_prompts: int = 4000, levels: list[int] = SIX_LEVELS, seed: int = 0):
    return Arithmetic(split=split, num_prompts=num_prompts, levels=levels, seed=seed).load().prompts


def test_worked_example_by_hand():
    problem = Problem((47, 5, -12, 30))
    assert problem.question == "47+5-12+30=?"
    assert problem.answer == "70"
    assert problem.worked(operations_per_step=1) == "47+5=52;52-12=40;40+30=70"
    assert problem.worked(operations_per_step=2) == "47+5-12=40;40+30=70"


@pytest.mark.parametrize("split", ["train", "test"])
def test_answers_and_every_solution_step_are_right(split):
    for prompt in pool(split, num_prompts=1200):
        assert evaluate(prompt.question.removesuffix("=?")) == int(prompt.answer)
        steps = [step.split("=") for step in prompt.solution.split(";")]
        assert all(evaluate(left) == int(right) for left, right in steps)
        assert steps[-1][1] == prompt.answer


def test_level_sets_operations_and_operands_and_totals_stay_in_range():
    for level, largest in LARGEST_OPERAND.items():
        for problem in islice(stream(level, "train", Random(level)), 200):
            totals = [sum(problem.terms[: end + 1]) for end in range(len(problem.terms))]
            assert len(problem.terms) == level + 1
            assert all(0 <= total <= 99 for total in totals)
            assert all(1 <= abs(operand) <= largest for operand in problem.terms[1:])


def test_pool_is_balanced_unique_and_labelled():
    prompts = pool(num_prompts=4000)
    assert len({prompt.id for prompt in prompts}) == 4000
    assert all(prompt.id == prompt_id(prompt.question) for prompt in prompts)
    # 4000 = 6 * 666 + 4: the remainder goes to levels 1 to 4.
    counts = [sum(prompt.level == str(level) for prompt in prompts) for level in SIX_LEVELS]
    assert counts == [667, 667, 667, 667, 666, 666]


def test_splits_share_no_question_whatever_the_seed():
    train = {prompt.question for seed in (0, 1) for prompt in pool("train", 3000, seed=seed)}
    test = {prompt.question for seed in (0, 1) for prompt in pool("test", 1200, seed=seed)}
    pretrain = {
        problem.question for level in SIX_LEVELS for problem in islice(stream(level, "pretrain", Random(level)), 2000)
    }
    assert not train & test and not train & pretrain and not test & pretrain
    assert {bucket(question) for question in test} == set(range(0, 15))
    assert {bucket(question) for question in train} == set(range(15, 60))
    assert {bucket(question) for question in pretrain} == set(range(60, 100))


def test_same_seed_same_pool_other_seed_other_pool():
    assert pool(num_prompts=600) == pool(num_prompts=600)
    assert pool(num_prompts=600, seed=1) != pool(num_prompts=600, seed=0)


def test_a_larger_pool_keeps_the_smaller_one():
    assert pool(num_prompts=600) == pool(num_prompts=1200)[:600]


def test_a_subset_of_levels_draws_the_same_problems():
    assert pool(num_prompts=50, levels=[3]) == [p for p in pool(num_prompts=300) if p.level == "3"]


def test_an_exhausted_level_says_what_to_ask_for():
    with pytest.raises(UserError, match=r"num_prompts=50000 .* level 1 .* at most \d+"):
        pool(num_prompts=50000, levels=[1, 2])


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(ValueError, match=r"split=trian .*\nnum_prompts=0 .*\nlevels=\[1, 99\]"):
        Arithmetic(split="trian", num_prompts=0, levels=[1, 99], seed=0)
