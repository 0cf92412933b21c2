"""The parts of the reward: one number per completion."""

import pytest

from ufo_rl.grader.math import MathGrader
from ufo_rl.reward.correctness import Correctness
from ufo_rl.reward.format import Format


def test_correctness_grades_every_completion():
    part = Correctness(1.0, MathGrader(time_limit_s=10, max_chars=2000))
    completions = ["<think>a</think><answer> 4</answer>", "<answer> 5</answer>", "4", r"\boxed{2+2}"]
    assert part(["2+2"] * 4, completions, answer=["4"] * 4) == [1.0, 0.0, 0.0, 1.0]
    chats = [[{"role": "assistant", "content": text}] for text in completions]
    assert part(["2+2"] * 4, chats, answer=["4"] * 4, level=["1"] * 4) == [1.0, 0.0, 0.0, 1.0]
    assert (part.name, part.weight) == ("correctness", 1.0)
    part.grader.close()


def test_correctness_wants_one_reference_per_completion():
    with pytest.raises(ValueError):
        Correctness(1.0, MathGrader(10, 100))(["?"], ["<answer>1</answer>"], answer=[])


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("<think>47+5=52</think><answer> 52</answer>", 1.0),
        ("<think>\nwhy\n</think>\n\n<answer>\n52\n</answer>", 1.0),
        ("<think></think><answer></answer>", 1.0),
        ("<think>a</think><answer>1</answer> done", 0.0),
        ("Sure: <think>a</think><answer>1</answer>", 0.0),
        ("<think>a</think> so <answer>1</answer>", 0.0),
        ("<answer>1</answer><think>a</think>", 0.0),
        ("<think>a</think><answer>1</answer><answer>2</answer>", 0.0),
        ("<think>a<think>b</think><answer>1</answer>", 0.0),
        ("<think>a<answer>1</answer></think>", 0.0),
        ("<think>a</think><answer>1", 0.0),
        ("<answer>1</answer>", 0.0),
        ("", 0.0),
    ],
)
def test_format(completion, reward):
    part = Format(weight=0.2)
    assert part(["?"], [completion], answer=["1"]) == [reward]
    assert (part.name, part.weight) == ("format", 0.2)
