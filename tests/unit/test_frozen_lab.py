"""The lab is what its results are of: whoever changes it measures all of them anew and freezes it again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import identity
from ufo_rl.files.keys import digest

ROOT = Path(__file__).parents[2]
FROZEN = (ROOT / "ufo_rl/lab/rules/frozen.sha256").read_text().splitlines()


@pytest.mark.parametrize("line", FROZEN, ids=lambda line: line.split()[1])
def test_a_frozen_file_is_unchanged(line: str) -> None:
    expected, name = line.split()
    assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == expected


@pytest.mark.parametrize(("selector", "expected"), [("random", "ed555cff3f4df6ec"), ("accuracy", "486955fcb1e860dd")])
def test_a_run_is_configured_as_it_was_frozen(selector: str, expected: str) -> None:
    """What the files that all options share say of it: a key that is added to them with its neutral value changes nothing."""
    (job,) = compose_jobs(["model=tiny-rules", f"selector={selector}", "ratio=10pct"])
    assert digest(identity(job.plain)) == expected


def test_weights_generator_and_benchmarks_are_among_them() -> None:
    names = {line.split()[1] for line in FROZEN}
    assert {"ufo_rl/dataset/rules.py", "conf/eval/rules_zone.yaml", "conf/eval/rules_pool.yaml"} <= names
    files = {path.name for path in (ROOT / "ufo_rl/lab/rules").iterdir()} - {"README.md", "frozen.sha256"}
    assert {f"ufo_rl/lab/rules/{name}" for name in files} <= names and "model.safetensors" in files
