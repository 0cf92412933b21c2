"""The grader against 1,210 labelled verdicts of public test suites and issues (UFO_RL_DATA holds them)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.reward.answer import Grader


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    made = Grader(time_limit_s=3, max_chars=5000)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared_data / "grader_cases.jsonl").read_text().splitlines()]


def test_labelled_verdicts(grader: Grader, cases: list[dict[str, Any]]) -> None:
    graded = grader.grade_all([case["gold"] for case in cases], [case["completion"] for case in cases])
    wrong = [case for case, one in zip(cases, graded, strict=True) if one.correct != case["expected"]]
    sizes, errors = (Counter(case["category"] for case in some) for some in (cases, wrong))
    assert len(cases) == 1210 and 1 - len(wrong) / len(cases) >= 0.96, [case["id"] for case in wrong]
    num_unequal = sum(not case["expected"] for case in cases)
    assert sum(not case["expected"] for case in wrong) / num_unequal <= 0.01
    assert errors["no_answer"] == errors["integer"] == 0
    assert all(1 - errors[name] / size >= 0.85 for name, size in sizes.items()), errors
