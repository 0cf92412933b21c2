"""10,000 hostile completions under the product's limits: each gets the right verdict, none reaches them or leaves a trace.

No kind may reach the limit of 5 s: a timeout fails the test. How long calls take is measured by bench/grading.py, on a
machine that does nothing else; here the clock would measure the machine's other work.
"""

from __future__ import annotations

import resource
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.fuzz_completions import KINDS, MEGABYTE, Fuzzed, fuzzed
from ufo_rl.config.folder import conf_folder
from ufo_rl.grader.math import MathGrader
from ufo_rl.grader.math.process.judge import MEMORY_LIMIT_BYTES
from ufo_rl.records import Graded

NUM_COMPLETIONS, AT_ONCE = 10_000, 250


@pytest.mark.soak
def test_hostile_completions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where code in a completion would write
    limits = OmegaConf.load(conf_folder() / "grader" / "math.yaml")
    grader = MathGrader(limits.time_limit_s, limits.max_chars)
    wrong: list[tuple[Fuzzed, Graded]] = []
    kinds, reasons, longest = Counter[str](), Counter[str](), 0
    rows = fuzzed(NUM_COMPLETIONS, seed=0)
    while some := list(islice(rows, AT_ONCE)):
        graded = grader.grade_all([row.gold for row in some], [row.completion for row in some])
        assert len(graded) == len(some)
        wrong += [(row, one) for row, one in zip(some, graded, strict=True) if one.correct is not row.is_right]
        kinds.update(row.kind for row in some)
        reasons.update(one.reason.partition(":")[0] for one in graded)
        longest = max(longest, *(len(row.completion) for row in some))
    memory = [resource.prlimit(child.process.pid, resource.RLIMIT_AS) for child in grader._verifier.children if child]
    grader.close()
    assert [(row.kind, row.gold, row.completion[:300], one) for row, one in wrong] == []
    assert (limits.time_limit_s, limits.max_chars, set(reasons)) == (
        5.0,
        2000,
        {"", "unparsed"},
    )  # no timeout, no crash
    assert kinds == Counter(KINDS[number % len(KINDS)] for number in range(NUM_COMPLETIONS))
    assert longest >= MEGABYTE
    assert memory and set(memory) == {(MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES)}
    assert list(tmp_path.iterdir()) == []


def test_the_generator_is_seeded_and_plants_answers() -> None:
    rows = list(fuzzed(len(KINDS) * 20, seed=1))
    assert rows == list(fuzzed(len(KINDS) * 20, seed=1)) != list(fuzzed(len(KINDS) * 20, seed=2))
    assert 0 < sum(row.is_right for row in rows) < len(rows) / 4
    assert all(row.completion.endswith(f"\\boxed{{{row.gold}}}") for row in rows if row.is_right)
