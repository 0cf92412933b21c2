"""Runs as files that can be committed: what is compared from them is what the run folders say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.planted import plant
from ufo_rl.commands import record
from ufo_rl.errors import UserError
from ufo_rl.report import compare
from ufo_rl.report.disk.kept_record import ENDING, load_record, write_record
from ufo_rl.report.disk.run_folders import find_runs, load_run
from ufo_rl.report.ledger.entries import entries
from ufo_rl.report.ledger.resolve import folder_of


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    for seed in range(3):
        rewards = [0.1 * i for i in range(6)]
        plant(tmp_path, "full", range(400 - seed, 500), ratio=1.0, seed=seed, rewards=rewards)
        plant(tmp_path, "ufo", range(370 - 2 * seed, 500), seed=seed, signals={"confidence": 1.4}, rewards=rewards)
    return tmp_path / "sweeps"


def test_the_comparison_of_records_is_that_of_the_runs(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    assert record.run([str(sweep), "--to", str(kept)]) == 0
    assert "6 records" in capsys.readouterr().out
    assert compare([kept], each_seed=True) == compare([sweep], each_seed=True)
    assert [run.id for run in find_runs([kept])] == sorted(path.name.removesuffix(ENDING) for path in kept.iterdir())
    assert all(entry.kind == "record" and entry.results for entry in entries([kept]))


def test_a_record_is_paired_by_question_with_a_run(sweep: Path, tmp_path: Path) -> None:
    """The baseline as records, the other arm as folders: the differences are those of all folders."""
    for path in sweep.glob("demo/tiny-full-*"):
        write_record(load_run(path), tmp_path / "kept")
    others = [str(path) for path in sweep.glob("demo/tiny-ufo-*")]
    mixed, whole = compare([str(tmp_path / "kept"), *others], each_seed=True), compare([sweep], each_seed=True)
    assert "not paired" not in mixed
    assert mixed[: mixed.index("Costs")] == whole[: whole.index("Costs")] and "+ questions" in whole


def test_a_record_is_not_taken_for_a_folder(sweep: Path, tmp_path: Path) -> None:
    path = write_record(load_run(next(sweep.glob("demo/tiny-ufo-*"))), tmp_path / "kept")
    with pytest.raises(UserError, match="is a record: numbers, without prompts and completions"):
        folder_of(str(path))


def test_verdicts_survive_question_by_question(sweep: Path, tmp_path: Path) -> None:
    run = load_run(next(sweep.glob("demo/tiny-ufo-*")))
    path = write_record(run, tmp_path / "kept")
    kept = load_record(path)
    for whole, again in (
        (run.correct_after("math500"), kept.correct_after("math500")),
        (run.correct_before("math500"), kept.correct_before("math500")),
    ):
        assert whole is not None and again is not None
        assert [whole[one] for one in sorted(whole)] == [again[one] for one in sorted(again)] and len(again) == 500
    assert path.stat().st_size < 10_000
    assert [line["reward"] for line in kept.journal()] == pytest.approx([0.1 * i for i in range(6)])


def test_what_is_not_done_is_not_recorded(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path, "random", range(400, 500), status={"state": "failed", "stage": "train", "error": "no memory"})
    assert record.run([str(sweep), "--to", str(tmp_path / "kept")]) == 0
    assert "not recorded: tiny-random-0.1-0-30: failed at train: no memory" in capsys.readouterr().err
    with pytest.raises(UserError, match="is not complete"):
        write_record(load_run(next(sweep.glob("demo/tiny-random-*"))), tmp_path)


@pytest.mark.parametrize(
    "change", [{"record": 99}, {"right": {"math500": {"ids": "a", "n": 3, "final": "ffff"}}}, {"run": {}}]
)
def test_a_broken_record_is_named_and_the_others_are_compared(
    sweep: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    kept = tmp_path / "kept"
    paths = [write_record(run, kept) for run in find_runs([sweep])]
    paths[-1].write_text(json.dumps(json.loads(paths[-1].read_text()) | change))
    text = compare([kept])
    assert "Not in the tables, 1 of 6 runs:" in text and paths[-1].name in text


def test_missing_words_are_told() -> None:
    with pytest.raises(UserError) as caught:
        record.run([])
    assert len(caught.value.problems) == 2
