"""The grader against 1,210 labelled verdicts of public test suites and issues (UFO_RL_DATA holds them)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ufo_rl.config.folder import conf_folder
from ufo_rl.grader.math import MathGrader

# Cases that are decided against their label, each with the reason. A category may lose 15 % of its own.
WRONG: dict[str, str] = {}


@pytest.fixture(scope="module")
def grader() -> Iterator[MathGrader]:
    limits = OmegaConf.load(conf_folder() / "reward" / "default.yaml").grader
    assert (limits.time_limit_s, limits.max_chars) == (5.0, 2000)
    made = MathGrader(limits.time_limit_s, limits.max_chars)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared_data / "grader_cases.jsonl").read_text().splitlines()]


def test_labelled_verdicts(grader: MathGrader, cases: list[dict[str, Any]]) -> None:
    graded = grader.grade_all([case["gold"] for case in cases], [case["completion"] for case in cases])
    wrong = {case["id"]: one for case, one in zip(cases, graded, strict=True) if one.correct != case["expected"]}
    assert set(wrong) == set(WRONG), wrong
    sizes, errors = Counter(c["category"] for c in cases), Counter(c["category"] for c in cases if c["id"] in WRONG)
    assert (len(cases), len(sizes)) == (1210, 18)
    assert all(1 - errors[name] / size >= 0.85 for name, size in sizes.items())
