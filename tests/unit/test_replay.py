"""The tables of sweeps/README.md are what its commands print of the records, which are of the commit that it names."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from ufo_rl.commands import compare
from ufo_rl.config.compose import compose_jobs
from ufo_rl.report.disk.kept_record import ENDING

SWEEPS = Path(__file__).parents[2] / "sweeps"
SECTIONS = re.split(r"^## ", (SWEEPS / "README.md").read_text(), flags=re.MULTILINE)
COMMAND = re.compile(r"^    ufo-rl (compare sweeps/results/.*)$", re.MULTILINE)
REPLAYED = {section.partition(":")[0]: section for section in SECTIONS if COMMAND.search(section)}


def rows(text: str) -> list[str]:
    """Lines of Markdown tables that begin with an arm."""
    return [line for line in text.splitlines() if line.startswith("| ") and "->" in line and "before ->" not in line]


def test_five_sweeps_are_replayed() -> None:
    assert set(REPLAYED) == {"selectors", "ratio", "bins", "targets", "bakeoff"}


@pytest.mark.parametrize("name", REPLAYED)
def test_its_tables_are_printed_by_its_command(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(SWEEPS.parent)
    found = COMMAND.search(REPLAYED[name])
    assert found
    assert compare.run(shlex.split(found[1])[1:]) == 0
    printed, said = rows(capsys.readouterr().out), rows(REPLAYED[name])
    assert said == printed and len(said) >= 6


@pytest.mark.parametrize("name", REPLAYED)
def test_every_job_is_recorded_at_the_commit_that_is_named(name: str) -> None:
    records = [json.loads(path.read_text()) for path in sorted((SWEEPS / "results" / name).glob(f"*{ENDING}"))]
    jobs = compose_jobs([], str(SWEEPS), name)
    assert {one["run"]["id"] for one in records} == {job.folder.name for job in jobs}
    assert len({job.plain["seed"] for job in jobs}) >= 5
    (commit,) = {one["run"]["git"]["commit"] for one in records}
    assert not any(one["run"]["git"]["dirty"] for one in records)
    assert re.search(r"[Cc]ommit `([0-9a-f]+)`", REPLAYED[name])[1] == commit[:7]  # type: ignore[index]
