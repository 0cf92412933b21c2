"""What W&B would be sent: the specification of workspace and report loads back, offline parts of one run wait under one id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.planted import plant
from ufo_rl.commands import dashboard, sync
from ufo_rl.errors import UserError
from ufo_rl.tracking.dashboard import report, workspace
from ufo_rl.tracking.upload import inputs_of, waiting

pytestmark = pytest.mark.smoke


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    plant(tmp_path / "outputs", "full", range(400, 500))
    plant(tmp_path / "outputs", "ufo", range(375, 500))
    return tmp_path / "outputs/sweeps/demo"


def panels(section: Any) -> list[str]:
    return [type(panel).__name__ for panel in section.panels]


def test_the_workspace_loads_back_with_all_that_it_was_given() -> None:
    from wandb_workspaces.workspaces import Workspace

    made = workspace("me", "ufo-rl", ["math500", "gsm8k"], "abcd1234", "ratio")
    again = Workspace._from_model(made._to_model())
    assert [section.name for section in again.sections] == [section.name for section in made.sections]
    assert [panels(section) for section in again.sections] == [panels(section) for section in made.sections]
    assert {"BarPlot", "ScatterPlot", "LinePlot", "ParallelCoordinatesPlot"} == set(panels(again.sections[0]))
    assert [key.name for key in again.runset_settings.groupby] == ["run.cell_id"]
    assert {"summary:math500_final", "config:ratio.value", "config:seed"} <= set(again.runset_settings.pinned_columns)
    assert "abcd1234" in str(again.runset_settings.baseline_run) and "ratio" in str(again.runset_settings.filters)


def test_the_report_loads_back_with_the_comparison() -> None:
    from wandb_workspaces.reports.v2 import interface

    made = report("me", "ufo-rl", "Arms", "| arm | verdict |\n| --- | --- |\n| ufo | better |", ["math500"], "ratio")
    again = interface.Report._from_model(made._to_model())
    assert [type(block).__name__ for block in again.blocks][:2] == ["H1", "MarkdownBlock"]
    assert "| ufo | better |" in again.blocks[1].text
    grids = [block for block in again.blocks if type(block).__name__ == "PanelGrid"]
    assert len(grids) == 5 and {str(grid.runsets[0].filters) for grid in grids} == {"Metric(\"Group\") == 'ratio'"}
    assert (again.entity, again.project) == ("me", "ufo-rl")


def test_a_dry_run_needs_no_key(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.run(["me/ufo-rl", str(sweep), "--report", "--dry-run", "spec.json"]) == 0
    found = json.loads(Path("spec.json").read_text())
    text = json.dumps(found)
    assert {"workspace", "report"} == set(found) and "math500_final" in text and "no detectable difference" not in text
    assert "worse (one seed)" in text  # of the comparison
    assert capsys.readouterr().out.strip() == str(Path("spec.json").absolute())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ufo-rl"], "name the project as ENTITY/PROJECT"),
        (["me/ufo-rl", "--report"], "name the runs that it compares"),
        (["me/ufo-rl"], "name runs (DIR), or the benchmarks"),
    ],
)
def test_mistakes_are_told(arguments: list[str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        dashboard.run(arguments)
    assert words in str(caught.value)


def test_parts_of_a_run_wait_together_in_their_order(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = Path("outputs")
    for name in (
        "offline-run-20261127_100000-aaaa1111",
        "offline-run-20261127_090000-aaaa1111",
        "offline-run-20261127_093000-bbbb2222",
    ):
        folder = outputs / "wandb" / name
        folder.mkdir(parents=True)
        (folder / f"run-{name[-8:]}.wandb").write_text("")
    sent = outputs / "wandb/offline-run-20261127_080000-cccc3333"
    sent.mkdir()
    for end in ("", ".synced"):
        (sent / f"run-cccc3333.wandb{end}").write_text("")
    run = sweep / "tiny-ufo-0.1-0-30"
    record = json.loads((run / "run.json").read_text()) | {"wandb_id": "aaaa1111"}
    (run / "run.json").write_text(json.dumps(record))
    lineage = [{"name": "arithmetic-1", "type": "dataset", "digest": "d", "inputs": [], "is_input": True}]
    (run / "lineage.json").write_text(json.dumps(lineage))
    found = {one.wandb_id: [folder.name[12:27] for folder in one.folders] for one in waiting(outputs)}
    assert found == {"aaaa1111": ["20261127_090000", "20261127_100000"], "bbbb2222": ["20261127_093000"]}
    assert [one["name"] for one in inputs_of(run)] == ["arithmetic-1"]
    assert sync.run(["--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "aaaa1111  2 parts  tiny-ufo-0.1-0-30, made from arithmetic-1" in text and "2 runs wait" in text


def test_without_a_key_nothing_is_sent(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("outputs/wandb/offline-run-20261127_093000-bbbb2222")
    folder.mkdir(parents=True)
    (folder / "run-bbbb2222.wandb").write_text("")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(Path("none").absolute()))
    with pytest.raises(UserError, match="no W&B key"):
        sync.run([])
