"""Pivots and Markdown of the comparison, on numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.planted import plant
from ufo_rl.commands.compare import run
from ufo_rl.errors import UserError
from ufo_rl.report import compare


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """ufo and random at 5 % and 10 %, two seeds: 80 and 78 %, 70 and 72 %."""
    for ratio in (0.05, 0.1):
        for seed in (0, 1):
            plant(tmp_path, "ufo", range(400 - 10 * seed, 500), ratio=ratio, seed=seed)
            plant(tmp_path, "random", range(350 + 10 * seed, 500), ratio=ratio, seed=seed)
    return tmp_path


def test_rows_and_columns_hold_the_mean_over_the_seeds(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(sweep), "--rows", "selector", "--cols", "ratio"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # ufo: 80, 78: mean 79, s = 1.414, t(0.975, 1) = 12.706: +- 12.7
    assert lines[1].split() == ["selector", "ratio", "0.05", "ratio", "0.1"]
    assert next(line for line in lines if line.startswith("ufo")).split() == [
        "ufo",
        *["79.0", "[66.3,", "91.7]", "(2)"] * 2,
    ]
    assert run([str(sweep), "--rows", "selector", "--cols", "ratio", "--baseline", "random", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    ufo = [row for row in rows if row["selector"] == "ufo"]
    # minus random of the same seed and ratio: +10, +6
    assert [float(row["mean"]) for row in ufo] == pytest.approx([0.08, 0.08]) and {row["runs"] for row in ufo} == {"2"}
    assert not [row for row in rows if row["selector"] == "random"]


def test_a_pivot_of_arms_as_json_and_markdown(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(sweep), "--rows", "arm", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["arm"]: row["mean"] for row in rows} == {
        "random 5%": 0.71, "random 10%": 0.71, "ufo 5%": 0.79, "ufo 10%": 0.79
    }  # fmt: skip
    assert run([str(sweep), "--rows", "seed", "--cols", "selector", "--format", "md"]) == 0
    text = capsys.readouterr().out
    assert "| seed | selector random | selector ufo |" in text and "| 0 | 70.0" in text


def test_markdown_of_the_comparison_cuts_nothing(sweep: Path) -> None:
    text = compare([sweep], is_markdown=True)
    assert "| arm | seeds | before -> after [95 %] | minus random [95 %] | verdict |" in text and "| ---: |" in text
    assert any(line.startswith("| ufo 10% | 2 | 60.0 -> 79.0") for line in text.splitlines())


def test_markdown_numbers_no_label(sweep: Path) -> None:
    long = {"train": {"learning_rate": 1e-5}, "template": {"name": "short", "system": "think of it as long as you can"}}
    plant(
        sweep,
        "ufo",
        range(400, 500),
        ratio=0.1,
        steps=31,
        config={**long, "train": {"learning_rate": 1e-5, "max_steps": 30}},
    )
    assert "#1 ufo" in compare([sweep])
    text = compare([sweep], is_markdown=True)
    assert "#1" not in text and "learning_rate=1e-05" in text


def test_unknown_keys_and_benchmarks_name_the_nearest(sweep: Path) -> None:
    with pytest.raises(
        UserError, match=r'train\.learning_rat: no run has such a key; did you mean "train\.learning_rate"'
    ):
        run([str(sweep), "--rows", "train.learning_rat"])
    with pytest.raises(UserError, match=r'--by math50: no run has it; did you mean "math500"'):
        run([str(sweep), "--rows", "selector", "--by", "math50"])
    with pytest.raises(UserError, match="--cols goes with --rows"):
        run([str(sweep), "--cols", "ratio"])
    with pytest.raises(UserError, match="--margin 0 must be points"):
        run([str(sweep), "--margin", "0"])


def test_models_are_tables_of_their_own_unless_they_are_asked_for(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        plant(sweep / "second", "ufo", range(300, 500), ratio=0.1, seed=seed, config={"model": {"name": "large"}})
    assert run([str(sweep), "--rows", "selector"]) == 0
    found = capsys.readouterr()
    titles = [line for line in found.out.splitlines() if line.startswith("Accuracy on")]
    assert len(titles) == 2 and "model large" in titles[0] and "model tiny" in titles[1]
    # a cell of two ratios says so
    assert "ufo 5%, ufo 10%: in one cell, which has no interval: runs of several arms are no seeds" in found.err
    assert run([str(sweep), "--rows", "selector", "--cols", "model", "--format", "json"]) == 0
    rows = {(row["selector"], row["model"]): (row["mean"], row["runs"]) for row in json.loads(capsys.readouterr().out)}
    assert rows["ufo", "large"] == (0.6, 2) and rows["ufo", "tiny"] == (0.79, 4)


def test_a_wide_pivot_goes_on_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ratio in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        for seed in (0, 1):
            plant(tmp_path, "ufo", range(400 - seed, 500), ratio=ratio, seed=seed)
    assert run([str(tmp_path), "--rows", "selector", "--cols", "ratio"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if line.startswith("selector")]
    assert len(heads) == 2 and max(map(len, lines)) <= 120
    assert [word for head in heads for word in head.split() if word[0].isdigit()] == [
        "0.01",
        "0.02",
        "0.05",
        "0.1",
        "0.2",
        "0.5",
    ]
    assert len([line for line in lines if line.startswith("ufo ")]) == 2


def test_a_run_done_twice_counts_once(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(sweep / "again", "ufo", range(390, 500), ratio=0.1, seed=1)
    assert run([str(sweep), "--rows", "arm", "--format", "json"]) == 0
    assert {row["arm"]: row["runs"] for row in json.loads(capsys.readouterr().out)}["ufo 10%"] == 2


def test_an_option_that_would_do_nothing_is_told(sweep: Path) -> None:
    for words, told in (
        (["--rows", "arm", "--seeds"], "--seeds goes with the tables"),
        (["--format", "csv", "--margin", "2"], "--margin goes with the tables"),
        (["--by", "math500"], "--by goes with --rows"),
        (["--group", "demo"], "--group goes with --wandb"),
    ):
        with pytest.raises(UserError, match=told):
            run([str(sweep), *words])


def test_a_margin_is_a_column(sweep: Path) -> None:
    text = compare([sweep], "random", margin=0.05)
    assert "by 5.0 points" in text and "may be worse" in text
    plant(sweep / "more", "full", range(400, 500))
    plant(sweep / "more", "ufo", range(400, 500))
    assert "not worse" in compare([sweep / "more"], margin=0.05)


def test_a_missing_cell_is_named(sweep: Path) -> None:
    plant(sweep, "accuracy", range(400, 500), seed=0)
    assert "Missing, so not in the means: accuracy 10%: seed 1." in compare([sweep])
