"""The ledger of planted folders: each state by its evidence, what differs, what a user is told to do."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.planted import plant
from ufo_rl.commands import ls
from ufo_rl.errors import UserError
from ufo_rl.report.disk.how_far import SILENT_S, state_of
from ufo_rl.report.ledger.entries import Entry, entries
from ufo_rl.report.ledger.listing import ledger_table


def named(folder: Path) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries([folder])}


def test_what_a_status_means(tmp_path: Path) -> None:
    assert state_of(tmp_path, {"state": "planned"}).name == "planned"
    failed = state_of(tmp_path, {"state": "failed", "stage": "train", "error": "no memory"})
    assert (failed.name, failed.why) == ("failed", "failed at train: no memory")
    assert state_of(tmp_path, {"state": "interrupted"}).name == "interrupted"
    assert state_of(tmp_path, {"state": "completed"}).name == "unreadable"  # metrics.json is missing
    (tmp_path / "metrics.json").write_text("{}")
    assert state_of(tmp_path, {"state": "completed"}).name == "completed"
    assert state_of(tmp_path, {}).name == "unreadable" and state_of(tmp_path, {"state": "x"}).name == "unreadable"


def test_another_host_is_alive_while_it_writes(tmp_path: Path) -> None:
    there = {"state": "running", "stage": "train", "host": "node7"}
    (tmp_path / "metrics.jsonl").write_text("")
    assert state_of(tmp_path, there).name == "running" and "node7" in state_of(tmp_path, there).why
    silent = time.time() - SILENT_S - 5
    os.utime(tmp_path / "metrics.jsonl", (silent, silent))
    assert state_of(tmp_path, there).name == "stale"


def test_every_kind_of_folder_is_named_with_its_state(tmp_path: Path) -> None:
    plant(tmp_path, "full", range(400, 500))
    plant(tmp_path, "ufo", range(375, 500), status={"state": "failed", "stage": "train", "error": "no memory"})
    broken = plant(tmp_path, "random", range(375, 500))
    (broken / "metrics.json").write_text("{")
    later = plant(tmp_path, "later", range(375, 500))
    (later / "metrics.json").write_text('{"schema": 99}')
    (tmp_path / "sweeps/demo/somebody").mkdir()
    found = named(tmp_path / "sweeps")
    assert {name.split("-")[1] if "-" in name else name: entry.state.name for name, entry in found.items()} == {
        "full": "completed",
        "ufo": "failed",
        "random": "unreadable",
        "later": "unreadable",
        "somebody": "unreadable",
    }
    text = " ".join(ledger_table(entries([tmp_path / "sweeps"])).split())
    assert "5 jobs: 1 failed, 3 unreadable, 1 completed" in text
    assert "failed at train: no memory" in text and "update ufo-rl" in text and "somebody: no run folder" in text
    assert str(broken / "metrics.json") in text and "60.0 -> 80.0" in text


def test_an_earlier_version_is_named(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent.parent / "data/schema_1/runs", tmp_path / "runs")
    found = entries([tmp_path / "runs"])
    assert found and all(entry.state.name == "completed" and entry.notes for entry in found)
    assert "written by an earlier version" in ledger_table(found) and all(entry.results for entry in found)


def test_the_keys_that_differ_are_columns_and_the_command_goes_on(tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = plant(tmp_path, "ufo", range(400, 500), seed=seed, status={"state": "planned", "stage": None})
        record = json.loads((folder / "run.json").read_text())
        record |= {"command": f"ufo-rl selector=ufo seed={seed}", "started_by": "ufo-rl -m selector=ufo seed=0,1"}
        (folder / "run.json").write_text(json.dumps(record))
    lines = ledger_table(entries([tmp_path / "sweeps"])).splitlines()
    assert lines[1].split() == ["run", "state", "seed", "cost", "age"]
    assert [line.split()[2] for line in lines[3:5]] == ["0", "1"]
    assert [line for line in lines if line.startswith("to go on")] == ["to go on: ufo-rl -m selector=ufo seed=0,1"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="outputs: no run in or below it"):
        ls.run([])
    plant(tmp_path / "outputs", "full", range(400, 500))
    plant(tmp_path / "outputs", "ufo", range(400, 500), status={"state": "interrupted", "stage": "train"})
    capsys.readouterr()
    assert ls.run(["--failed", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "interrupted" and row["stage"] == "train" and row["folder"].endswith("tiny-ufo-0.1-0-30")
    assert ls.run([]) == 0 and "2 jobs: 1 interrupted, 1 completed" in capsys.readouterr().out
    with pytest.raises(UserError, match='did you mean "--failed"'):
        ls.run(["--faild"])


def test_a_wide_table_leaves_out_what_few_commands_say(tmp_path: Path) -> None:
    """Keys that one job alone sets give way to those that all set, and a line stays a line."""
    for seed in range(4):
        folder = plant(tmp_path, "ufo", range(400, 500), seed=seed)
        more = "".join(f" train.a_rather_long_name_of_a_key_{i}={i}" for i in range(5)) if seed == 3 else ""
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**record, "command": f"ufo-rl{more} seed={seed}"}))
    text = ledger_table(entries([tmp_path]))
    head, rows = text.splitlines()[1], [line for line in text.splitlines() if "completed" in line][1:]
    assert head.split()[:3] == ["run", "state", "seed"] and len(rows) == 4
    assert max(map(len, [head, *rows])) <= 120 and "not shown: train.a_rather" in text
