"""What is wrong, missing or ambiguous among compared runs is told, and never counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.planted import plant
from ufo_rl.commands import ls, record
from ufo_rl.commands.compare import run
from ufo_rl.errors import UserError
from ufo_rl.report import compare
from ufo_rl.report.disk.kept_record import write_record
from ufo_rl.report.disk.run_folders import find_runs, load_run
from ufo_rl.report.shared_sentences import correlation
from ufo_rl.report.single.shown import shown


def changed(folder: Path, name: str, *path: str, to: Any) -> None:
    """One value of a JSON file replaced."""
    content = json.loads((folder / name).read_text())
    node = content
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = to
    (folder / name).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("seconds",), {"train": "x"}, "metrics.seconds"),
        (("signals",), {"confidence": 3}, "metrics.signals"),
        (("eval", "math500", "final", "accuracy"), 0.9, "its questions 0.75"),
    ],
)
def test_one_broken_run_is_named_and_the_others_are_compared(
    tmp_path: Path, path: tuple[str, ...], value: Any, told: str
) -> None:
    plant(tmp_path, "full", range(400, 500))
    changed(plant(tmp_path, "ufo", range(375, 500)), "metrics.json", *path, to=value)
    text = compare([tmp_path])
    assert told in " ".join(text.split()) and "Not in the tables, 1 of 2" in text and "full" in text


def test_a_record_whose_bits_are_not_its_accuracy_is_named(tmp_path: Path) -> None:
    path = write_record(load_run(plant(tmp_path, "ufo", range(375, 500))), tmp_path / "kept")
    changed(path.parent, path.name, "right", "math500", "final", to="f" * 125)
    assert "its questions 1" in compare([tmp_path / "kept"])


def test_a_benchmark_without_its_result_is_missed(tmp_path: Path) -> None:
    plant(tmp_path, "full", range(400, 500))
    folder = plant(tmp_path, "ufo", range(400, 500))
    changed(folder, "metrics.json", "eval", to={})
    assert "ufo 10% seed 0: no result on math500, which it was asked" in " ".join(compare([tmp_path]).split())


def test_a_run_that_is_there_twice_counts_once_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path, "full", range(400, 500))
    write_record(load_run(plant(tmp_path, "ufo", range(390, 500))), tmp_path / "kept")
    text = compare([tmp_path])
    assert "ufo 10% seed 0: there more than once, the newest counts" in text
    assert run([str(tmp_path), "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_control_is_no_baseline_for_arms_of_other_settings(tmp_path: Path) -> None:
    """A coin as reward is a random arm too; nothing is paired with it by its age."""
    plant(tmp_path, "random", range(350, 500))
    coin = {"reward": {"name": "random"}}
    plant(tmp_path / "coin", "random", range(450, 500), config=coin)
    plant(tmp_path, "ufo", range(340, 500))
    odd = {"template": {"name": "short", "system": "another"}}
    plant(tmp_path / "odd", "ufo", range(330, 500), config=odd)
    text = " ".join(compare([tmp_path], "random").split())
    assert "reward=random: is random too, and compared with nothing" in text
    assert "no random run has its settings; --baseline ARM names one for all" in text


def test_what_is_not_as_a_run_writes_it_is_shown_with_a_cure(tmp_path: Path) -> None:
    folder = plant(tmp_path, "ufo", range(400, 500))
    changed(folder, "metrics.json", "eval", to=[1])
    with pytest.raises(UserError, match=r"metrics\.eval not as a run writes it; run it again with force=true"):
        shown(folder, 1)


def test_recording_nothing_of_a_finished_run_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path, "ufo", range(400, 500))
    (tmp_path / "file").write_text("")
    assert record.run([str(tmp_path), "--to", str(tmp_path / "file")]) == 1
    assert "0 records" in capsys.readouterr().out
    assert record.run([str(tmp_path), "--to", str(tmp_path / "kept")]) == 0
    assert "1 record in" in capsys.readouterr().out


def test_each_target_has_its_own_correlation(tmp_path: Path) -> None:
    for seed, (target, rho) in enumerate((("answer", 0.73), ("response", 0.11))):
        found = {"rho": rho, "ci_low": rho - 0.02, "ci_high": rho + 0.02, "n": 2000}
        config = {"signal": {"confidence": {"target": target}}}
        plant(tmp_path, "ufo", range(400, 500), seed=seed, spearman=found, config=config)
    (line,) = correlation(find_runs([tmp_path]))
    assert "answer 0.73 [0.71, 0.75], n = 2,000 prompts; response 0.11" in line


def test_a_run_without_its_configuration_is_not_completed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plant(tmp_path, "ufo", range(400, 500)) / "config.yaml").unlink()
    assert ls.run([str(tmp_path), "--failed"]) in (0, 1)
    assert "config.yaml is missing" in capsys.readouterr().out


def test_what_could_be_found_is_said_for_each_benchmark(tmp_path: Path) -> None:
    for seed in range(3):
        plant(tmp_path, "full", range(400 + seed, 500), seed=seed)
        plant(tmp_path, "ufo", range(370 - 9 * seed, 500), seed=seed)
    text = " ".join(compare([tmp_path]).split())
    assert (
        "In four of five repetitions they find a true difference of" in text and "points on math500 (the median" in text
    )
    assert "On math500 the highest mean is full's" in text
