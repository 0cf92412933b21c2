"""Denominators, counts and reasons of an evaluation, by hand-made completions and the real grader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ufo_rl.config.schema import Benchmark
from ufo_rl.errors import UserError
from ufo_rl.evaluation.benchmark import judge, questions, summarise
from ufo_rl.evaluation.shared import Asked
from ufo_rl.files.keys import digest
from ufo_rl.grader.math import MathGrader
from ufo_rl.records import Graded, Pool, Prompt, Reference

PROMPTS = [Prompt(f"q{i}", f"{i}+1=?", str(i + 1), level=str(1 + i % 2)) for i in range(4)]
NOT_TEXTS = ("question", "prompt", "completion")


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    made = MathGrader(time_limit_s=10, max_chars=2000)
    yield made
    made.close()


def benchmark(size: int = 4, limit: int | None = None, num_samples: int = 1) -> Benchmark:
    return Benchmark({}, size, limit, 16, num_samples, 0.0 if num_samples == 1 else 1.0, 0, [], None, None)


def answered(texts: Sequence[str], grade_all: Any, num_samples: int = 1, finish: str = "stop") -> list[dict[str, Any]]:
    asked = [(prompt, f"<{prompt.question}>") for prompt in PROMPTS for _ in range(num_samples)]
    said = [
        {"sample": i % num_samples, "completion": text, "generated_tokens": len(text), "finish": finish}
        for i, text in enumerate(texts)
    ]
    return list(judge(asked, said, grade_all))


def summary(rows: list[dict[str, Any]], grader: MathGrader, num_samples: int = 1) -> dict[str, Any]:
    rows = [{k: v for k, v in row.items() if k not in NOT_TEXTS} for row in rows]
    return summarise("mine", benchmark(num_samples=num_samples), 4, rows, grader.same)


@pytest.mark.parametrize(
    ("texts", "finish", "unparsed", "truncated"),
    [
        (["", "", "", ""], "stop", 4, 0),
        (["\ufffd\x00 }}{{ \\boxed{", "1, 2, 3", "def f(): return 2", "I cannot say"], "stop", 4, 0),
        (["so it is <answer> ", r"\boxed{2", "the sum of", "####"], "length", 4, 4),
        (["<answer> 9</answer>"] * 4, "stop", 0, 0),
    ],
)
def test_whatever_is_said_every_question_counts(
    grader: MathGrader, texts: list[str], finish: str, unparsed: int, truncated: int
) -> None:
    found = summary(answered(texts, grader.grade_all, finish=finish), grader)
    counts = {
        key: found[key] for key in ("n", "num_correct", "unparsed", "truncated", "timeouts", "stalled", "crashes")
    }
    assert counts == {
        "n": 4,
        "num_correct": 0,
        "unparsed": unparsed,
        "truncated": truncated,
        "timeouts": 0,
        "stalled": 0,
        "crashes": 0,
    }
    assert (found["accuracy"], found["ci_low"]) == (0.0, 0.0) and found["unparsed_share"] == unparsed / 4


def test_a_crash_a_timeout_and_a_stall_are_wrong_and_counted(grader: MathGrader) -> None:
    def grade_all(references: Sequence[Reference], completions: Sequence[str]) -> list[Graded]:
        verdicts = grader.grade_all(references, completions)
        verdicts[1] = Graded(False, "2", "none", "crash: the child process ended with status -11")
        verdicts[2] = Graded(False, "3", "none", "timeout: no verdict within 5 s of CPU time")
        verdicts[3] = Graded(False, "4", "none", "stalled: twice no verdict within 60 s")
        return verdicts

    found = summary(answered([f"#### {p.answer}" for p in PROMPTS], grade_all), grader)
    assert (found["n"], found["num_correct"]) == (4, 1) and found["accuracy"] == 0.25
    counts = [found[name] for name in ("crashes", "timeouts", "stalled", "unparsed")]
    assert counts == [1, 1, 1, 0] and found["crashes_share"] == found["stalled_share"] == 0.25


def test_a_row_holds_what_was_asked_said_and_decided(grader: MathGrader) -> None:
    rows = answered(["#### 1", r"so \boxed{1+1}", "<answer>5</answer>", "no idea"], grader.grade_all)
    assert rows[1] == {
        "id": "q1",
        "sample": 0,
        "level": "2",
        "subject": "",
        "question": "1+1=?",
        "prompt": "<1+1=?>",
        "gold": "2",
        "completion": r"so \boxed{1+1}",
        "extracted": "1+1",
        "correct": True,
        "method": "formula",
        "reason": "",
        "num_tokens": 14,
        "finish": "stop",
    }
    assert [row["correct"] for row in rows] == [True, True, False, False]
    found = summary(rows, grader)
    by_level = {group["label"]: (group["n"], group["num_correct"]) for group in found["by_level"]}
    assert by_level == {"1": (2, 1), "2": (2, 1)} and found["by_subject"] == []
    assert found["mean_tokens"] == (6 + 14 + 18 + 7) / 4


def test_several_samples_make_avg_pass_and_maj(grader: MathGrader) -> None:
    # q0 wants 1, q1 2, q2 3, q3 4; right of 3 samples: 2, 1, 0, 3
    texts = ["#### 1", "#### 1", "#### 7", "#### 2", "#### 5", "#### 5.0", "#### 1", "", "#### 2"]
    texts += ["#### 4", "#### 4", "#### 4"]
    found = summary(answered(texts, grader.grade_all, num_samples=3), grader, num_samples=3)
    assert found["accuracy"] == found["avg_at_3"] == pytest.approx(6 / 12)
    assert found["pass_at_3"] == 3 / 4  # q2 is never right
    assert found["pass_at_2"] == pytest.approx((1 + (1 - 1 / 3) + 0 + 1) / 4)  # 1 - C(n-c, 2) / C(3, 2)
    assert found["maj_at_3"] == 2 / 4  # q1: 5 and 5.0 are one answer, two votes against one
    assert found["unparsed"] == 1 and found["n"] == 4 and found["num_samples"] == 3
    assert found["ci_low"] < found["accuracy"] < found["ci_high"]


def test_missing_answers_are_refused(grader: MathGrader) -> None:
    rows = answered(["#### 1"] * 4, grader.grade_all)
    with pytest.raises(ValueError, match="3 answers for 4 questions"):
        summarise("mine", benchmark(), 4, rows[:3], grader.same)
    with pytest.raises(ValueError):
        answered(["#### 1"] * 3, grader.grade_all)


def test_a_limit_below_the_size_makes_a_subset(grader: MathGrader) -> None:
    rows = [{k: v for k, v in row.items() if k not in NOT_TEXTS} for row in answered(["#### 1"] * 4, grader.grade_all)]
    for size, limit, is_subset in ((4, None, False), (4, 4, False), (6, 4, True)):
        assert summarise("mine", benchmark(size, limit), 4, rows, grader.same)["is_subset"] is is_subset


def test_another_size_is_refused_and_a_limit_takes_the_first_by_id() -> None:
    with pytest.raises(UserError, match=r"eval.mine: 4 questions found, the benchmark has 5 \(eval.mine.size\)"):
        questions("mine", benchmark(size=5), Pool(PROMPTS))
    assert [p.id for p in questions("mine", benchmark(limit=2), Pool(PROMPTS[::-1]))] == ["q0", "q1"]


def test_verdicts_are_found_by_the_columns_that_the_grader_reads() -> None:
    """A changed column is another key; a column that no grader reads, and graders without columns, change none."""

    class Chat:
        def render(self, prompt: Prompt, shots: Sequence[Any] = ()) -> str:
            return prompt.question

    def key(columns: tuple[str, ...], **carried: str) -> str:
        prompts = [Prompt("i", "1+1=?", "2", columns=carried)]
        return Asked(benchmark(), prompts, {}, [], columns, []).questions_key(Chat())  # pyright: ignore[reportArgumentType]

    assert key(("unit",), unit="m") != key(("unit",), unit="s")
    assert key(("unit",), unit="m", note="a") == key(("unit",), unit="m", note="b")
    assert key((), unit="m") == key(()) == digest([["i", "1+1=?", "2", "", ""]])
