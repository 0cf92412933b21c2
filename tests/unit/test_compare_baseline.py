"""Which arm the others are compared with, what arms are called, rows for other programs, and evaluations side by side."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.planted import plant
from tests.unit.test_compare import line_of
from ufo_rl.commands.compare import help, run
from ufo_rl.errors import UserError
from ufo_rl.report import compare
from ufo_rl.report.comparing.arm_rows import KEYS

# Wilson, 375 of 500: 0.7102 to 0.7860. ufo minus random: lost 25, gained 0: -7.0 to -3.0 (see test_compare.py).


@pytest.fixture
def readme_sweep(tmp_path: Path) -> Path:
    """ufo and random at 5 % and 10 %, no full run: the first sweep of the README."""
    for ratio in (0.05, 0.1):
        plant(tmp_path, "random", range(400, 500), ratio=ratio)
        plant(tmp_path, "ufo", range(375, 500), ratio=ratio, signals={"confidence": 1.4})
    return tmp_path


def test_without_a_full_run_random_of_the_same_ratio_is_the_baseline_and_is_said_to_be(readme_sweep: Path) -> None:
    text = compare([readme_sweep])
    assert "The baseline is random; --baseline ARM takes another." in text and "minus random [95 %]" in text
    for ratio in ("5%", "10%"):
        assert line_of(text, "random", ratio, "1", "60.0").endswith("baseline")
        row = line_of(text, "ufo", ratio, "1", "60.0")
        assert "-5.0 [-7.0, -3.0]" in row and row.endswith("worse (one seed)")
    assert (
        "- ufo 10%: worse than random on math500 (one seed): -5.0 [-7.0, -3.0] points" in " ".join(text.split())
        and "Notes" not in text
    )


def test_a_baseline_is_an_arm_or_a_selector(readme_sweep: Path) -> None:
    text = compare([readme_sweep], "ufo")
    assert line_of(text, "ufo", "5%", "1", "60.0").endswith("baseline")
    assert "+5.0 [+3.0, +7.0]" in line_of(text, "random", "5%", "1", "60.0")
    text = compare([readme_sweep], "random 10%")
    assert "-5.0 [-7.0, -3.0]" in line_of(text, "ufo", "5%", "1", "60.0")
    assert "+0.0" in line_of(text, "random", "5%", "1", "60.0")
    assert "ufo 5%: compared with random 10%, which keeps another share of the prompts" in text
    full = plant(readme_sweep, "full", range(400, 500))
    assert full.is_dir() and line_of(compare([readme_sweep]), "full", "1", "60.0").endswith("baseline")
    assert line_of(compare([readme_sweep], "random"), "random", "5%", "1", "60.0").endswith("baseline")


def test_an_unknown_baseline_names_the_nearest_and_all_arms(readme_sweep: Path) -> None:
    with pytest.raises(UserError) as caught:
        compare([readme_sweep], "randm")
    assert str(caught.value) == (
        '--baseline randm: no such arm; did you mean "random"? (arms: random 5%, random 10%, ufo 5%, ufo 10%)'
    )


def arms(text: str) -> list[str]:
    """The cells under `arm` in the table of accuracies, and what numbered ones stand for."""
    lines = text.split("Accuracy on math500 in %, 500 questions\n")[1].split("\n\n")[0].splitlines()[2:]
    cells = [cell for line in lines if (cell := line.split("  ")[0])]  # words go on in lines of their own
    legend = dict(line.split(": ", 1) for line in text.splitlines() if line.startswith("#") and ": " in line)
    return [legend.get(cell, cell) for cell in cells]


def test_arms_that_differ_in_a_value_say_which(tmp_path: Path) -> None:
    for steps, rate in enumerate((1e-6, 1e-5, 1e-4), start=30):
        plant(tmp_path, "ufo", range(400, 500), steps=steps, config={"train": {"learning_rate": rate, "max_steps": 30}})
    assert arms(compare([tmp_path])) == [f"ufo 10% learning_rate={rate}" for rate in ("1e-06", "1e-05", "0.0001")]


def test_two_keys_that_end_alike_are_told_apart(tmp_path: Path) -> None:
    for steps, part in enumerate(("format", "correctness"), start=30):
        weights = {name: {"weight": 0.5 if name == part else 1.0} for name in ("format", "correctness")}
        plant(
            tmp_path,
            "ufo",
            range(400, 500),
            steps=steps,
            config={"reward": {"parts": weights}, "train": {"max_steps": 1}},
        )
    found = arms(compare([tmp_path]))
    assert len(set(found)) == 2 and all("format.weight=" in arm and "correctness.weight=" in arm for arm in found)


def test_settings_beyond_the_third_still_tell_arms_apart(tmp_path: Path) -> None:
    same = {"learning_rate": 0.5, "temperature": 0.5, "epsilon": 0.5, "max_steps": 30}
    plant(tmp_path, "ufo", range(400, 500), steps=1)
    for steps, decay in ((2, 0.1), (3, 0.2)):
        plant(tmp_path, "ufo", range(400, 500), steps=steps, config={"train": {**same, "weight_decay": decay}})
    for steps, limit in ((4, 100), (5, 200)):
        config = {"train": {"max_steps": 1}, "eval": {"math500": {"limit": limit}}}
        plant(tmp_path, "random", range(400, 500), steps=steps, config=config)
    text = compare([tmp_path])
    found = arms(text)
    assert len(set(found)) == 5 and max(map(len, text.splitlines())) <= 120
    assert [arm.split()[-1] for arm in found if arm.startswith("random")] == ["limit=100", "limit=200"]


def test_values_are_written_as_in_the_configuration_and_long_ones_never_alike(tmp_path: Path) -> None:
    for steps, value in enumerate((None, True, 3), start=30):
        plant(
            tmp_path / "words", "ufo", range(400, 500), steps=steps, config={"train": {"beta": value, "max_steps": 30}}
        )
    assert arms(compare([tmp_path / "words"])) == ["ufo 10% beta=3", "ufo 10% beta=null", "ufo 10% beta=true"]
    for steps, begin in enumerate("xy", start=30):
        config = {"train": {"max_steps": 30}, "template": {"name": "r1", "system": begin + "the same to the end" * 9}}
        plant(tmp_path / "long", "ufo", range(400, 500), steps=steps, config=config)
    assert len(set(arms(compare([tmp_path / "long"])))) == 2


def test_seeds_of_an_arm_share_its_label(tmp_path: Path) -> None:
    for seed in (0, 1):
        for steps, rate in ((30, 1e-6), (31, 1e-5)):
            config = {"train": {"learning_rate": rate, "max_steps": 30}}
            plant(tmp_path, "ufo", range(400, 500), seed=seed, steps=steps, config=config)
    assert len(arms(compare([tmp_path]))) == 2


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[dict[str, Any]], str]:
    assert run(list(arguments)) == 0
    output, told = capsys.readouterr()
    return (json.loads(output) if "json" in arguments else list(csv.DictReader(io.StringIO(output)))), told


def test_json_and_csv_hold_every_arm_unrounded_with_the_same_keys(
    readme_sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(
        readme_sweep, "accuracy", range(1), status={"state": "failed", "stage": "train", "error": "CUDA out of memory"}
    )
    rows, told = rows_of(capsys, str(readme_sweep), "--format", "json")
    assert [tuple(row) for row in rows] == [KEYS] * 4
    (row,) = [row for row in rows if row["arm"] == "ufo 10%"]
    assert (row["after"], row["before"], row["n"], row["seed"], row["ratio"]) == (0.75, 0.6, 500, 0, 0.1)
    # lost 25 of 500: (1 - 26)/502 -+ 1.96 * sqrt((27/502 - (25/502)^2)/502), as in test_compare.py
    assert row["minus_baseline"] == -0.05
    assert row["minus_baseline_low"] == pytest.approx(-25 / 502 - 0.01981, abs=1e-5)
    assert (row["baseline"], row["is_baseline"], row["signal_seconds"]) == ("random", False, 1.4)
    (base,) = [row for row in rows if row["arm"] == "random 10%"]
    assert base["is_baseline"] is True and base["minus_baseline"] is None and base["signal_seconds"] is None
    assert "ufo-rl: not in the rows: tiny-accuracy-0.1-0-30: failed at train: CUDA out of memory\n" in told
    assert "worse than random" in told
    table, told_again = rows_of(capsys, "--format", "csv", str(readme_sweep))
    assert told_again == told
    for as_csv, as_json in zip(table, rows, strict=True):
        assert as_csv == {key: "" if value is None else str(value) for key, value in as_json.items()}


def test_a_number_that_is_none_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = plant(tmp_path, "ufo", range(400, 500))
    metrics = (folder / "metrics.json").read_text().replace('"epochs": 2.5', '"epochs": NaN')
    (folder / "metrics.json").write_text(metrics)
    ((row,), _) = rows_of(capsys, str(tmp_path), "--format", "json")
    assert row["epochs"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "compare: name at least one run or sweep folder"),
        (["x", "--basline", "ufo"], 'compare --basline: no such option; did you mean "--baseline"?'),
        (["x", "--format", "cvs"], 'compare --format cvs must be one of table, md, csv, json; did you mean "csv"?'),
        (["x", "--baseline"], "compare: argument --baseline: expected one argument; see ufo-rl compare -h"),
        (["gone", "--format=json"], "gone: no run in or below it"),
    ],
)
def test_mistakes_of_the_command_line(arguments: list[str], words: str) -> None:
    with pytest.raises(UserError) as caught:
        run(arguments)
    assert words in str(caught.value)


def test_the_help_names_every_option() -> None:
    assert all(word in help() for word in ("--baseline ARM", "--format", "csv", "json", "random 10%"))


Evaluated = Callable[..., Path]


@pytest.fixture
def evaluated(tmp_path: Path) -> Evaluated:
    """The folder of an evaluation with results worked out by hand, laid out as `ufo-rl evaluate` does."""

    def make(name: str, wrong: range, path: str, **more: Any) -> Path:
        run_folder = plant(tmp_path / "planted" / name, "ufo", wrong, config={"model": {"path": path}, **more})
        metrics = json.loads((run_folder / "metrics.json").read_text())
        metrics["eval"]["math500"]["base"] = None
        (run_folder / "metrics.json").write_text(
            json.dumps({k: metrics[k] for k in ("schema", "eval", "facts", "seconds")})
        )
        (run_folder / "run.json").rename(run_folder / "evaluation.json")
        folder = tmp_path / "evaluations" / "dev" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        return run_folder.rename(folder)

    return make


def test_evaluations_are_compared_by_model_and_setting(evaluated: Evaluated, tmp_path: Path) -> None:
    evaluated("a", range(400, 500), "/runs/one/policy")
    evaluated("b", range(375, 500), "/runs/two/policy")
    text = compare([tmp_path / "evaluations"])
    assert "80.0 [76.3, 83.3]" in line_of(text, "tiny", "path=one") and "75.0" in line_of(text, "tiny", "path=two")
    assert "Choose one with --baseline" in text and "Budget" not in text
    text = compare([tmp_path / "evaluations"], "tiny path=one")
    assert "-5.0 [-7.0, -3.0]" in line_of(text, "tiny", "path=two") and "Notes" not in text


def test_rows_of_evaluations_have_the_same_keys(
    evaluated: Evaluated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated("a", range(400, 500), "/runs/one/policy")
    plant(tmp_path / "runs", "full", range(400, 500))
    rows, _ = rows_of(capsys, str(tmp_path / "evaluations"), str(tmp_path / "runs"), "--format", "json")
    assert [tuple(row) for row in rows] == [KEYS] * 2
    assert [(row["model"], row["selector"], row["before"], row["after"]) for row in rows] == [
        ("tiny", None, None, 0.8),
        ("tiny", "full", 0.6, 0.8),
    ]


def test_folders_of_scores_are_said_to_hold_no_result(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "score.json").write_text("{}")
    with pytest.raises(
        UserError, match=r"score and select train and evaluate nothing: their numbers are in summary\.json"
    ):
        compare([tmp_path])
