"""The final answer of a completion is what stands in its last complete marker."""

import time

import pytest

from ufo_rl.grader.math.text.extract import extract, extract_list


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<think>6*7</think><answer> 42</answer>", "42"),
        (r"so \boxed{\frac{1}{\sqrt{2}}}.", r"\frac{1}{\sqrt{2}}"),
        ("4 + 4 = 8\n#### 8", "8"),
        ("#### 1,080\n", "1,080"),
        (r"\boxed{1}, no: \boxed{2}", "2"),
        (r"<answer>1</answer> or rather \boxed{2}", "2"),
        (r"\boxed{1} <answer>2</answer>", "2"),
        (r"\boxed{5}" + "\n#### 6", "6"),
        (r"<answer>It is \boxed{7}</answer>", "7"),
        ("<answer>\n#### 9\n</answer>", "9"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\fbox{4}", "4"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{x\right.}", r"\left\{x\right."),
        ("<answer>draft <answer>5</answer>", "5"),
        ("<answer>two\nlines</answer>", "two\nlines"),
    ],
)
def test_last_complete_marker(completion, answer):
    assert extract(completion) == answer


def test_white_space_without_end_costs_no_time():
    start = time.process_time()
    assert extract("the answer is" + " " * 200_000 + "7") == "7"
    assert extract("the answer is 7" + " " * 200_000 + "8").startswith("7")
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("First I compute 10, so the answer is 42.", "42"),
        ("Final Answer: The final answer is $14{,}916$. I hope it is correct.", "14{,}916"),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("**Answer: C**", "C"),
        ("The answer is 42 because geometry proves it", "42"),
        ("Answer: 41 was a slip.\nAnswer: 42<|im_end|>", "42"),
        (r"I think the answer is \boxed{1} is clear.", "1"),
        (r"So the value is $\boxed 7$", "7"),
        ("that seems to be the answer", ""),
        (r"\boxed{\text{Answer: G}}", "G"),
        (r"The answer is \{1, 2\}.", r"\{1, 2\}"),
        ("Not so: the answer is 7. The answer is 8.", "8"),
        ("The answer is 7, and that answer is correct.", "7"),
        ("The answer is not 7.", ""),
        ("The answer is\n\n$$7$$", "7"),
        ("Answer:\n\\[\nx = 7\n\\]", "x = 7"),
        ("Answer\uff1a7", "7"),
        ("The answer to this question must be 7</s>", "7"),
        (r"\boxed{\text{The answer is } 7}", r"\text{The answer is } 7"),
    ],
)
def test_what_a_sentence_says(completion, answer):
    assert extract(completion) == answer


def test_the_boxes_of_one_line_are_a_list():
    assert extract_list("\\boxed{9}\nRoots: \\boxed{2} and \\boxed{3}.") == "2, 3"
    assert extract_list("\\boxed{2}\n\\boxed{3}") == ""


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "the result is 42",
        r"\boxed{42",
        r"\boxed{\frac{1}{2}",
        "<answer> 42",
        "42</answer>",
        "<answer></answer>",
        r"\boxed{}",
        "####",
        "<think>42</think>",
    ],
)
def test_nothing_or_unfinished_is_no_answer(completion):
    assert extract(completion) == ""


def test_an_unfinished_marker_leaves_the_last_complete_one():
    assert extract(r"\boxed{3}, checking: <answer> 4") == "3"
    assert extract(r"\boxed{3 was a slip, so \boxed{5}") == "5"


def test_a_markdown_heading_is_no_answer():
    assert extract("#### Step 1: add\n2+3=5, \\boxed{5}\n#### Check of the result\n5-3=2") == "5"
    assert extract("#### 42\nThat was it.") == "42"


@pytest.mark.parametrize(
    "piece",
    [r"\boxed{", "<answer>", "{", "#### ", "#### \n", r"\boxed{1} ", "</answer>", "answer is ", "answer: \n", "answer"],
)
def test_time_is_linear(piece):
    start = time.process_time()
    extract(piece * 20_000)
    extract(piece * 20_000 + "}" * 20_000)
    assert time.process_time() - start < 2
