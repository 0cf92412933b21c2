"""metrics.json: its schema, the columns made from it, and files of an earlier version, which real folders still hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.errors import UserError
from ufo_rl.report import compare, evaluation_table, summary
from ufo_rl.report.disk.run_folders import load_run, read_metrics
from ufo_rl.report.metrics import SCHEMA, evaluation_headline, headline, run_metrics

EARLIER = Path(__file__).parents[1] / "data" / "schema_1"
UFO = EARLIER / "runs/dev/tiny-arithmetic-ufo-20pct-s0-b4e240be"
EVALUATION = EARLIER / "evaluations/dev/tiny-36e25309"
# What metrics.json of UFO held besides names and records: the columns of W&B, which dashboards hang on.
COLUMNS = ("num_pool", "num_selected", "ratio_effective", "steps", "epochs", "generated_tokens")
ACCURACIES = ("arithmetic_base", "arithmetic_final", "arithmetic_ci_low", "arithmetic_ci_high", "arithmetic_n")


def old(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def test_a_run_of_an_earlier_version_reads_as_one_of_today() -> None:
    found, before = read_metrics(UFO, ["arithmetic"]), old(UFO)
    assert found["schema"] == SCHEMA and "schema" not in before
    pair = found["eval"]["arithmetic"]
    assert (pair["base"]["accuracy"], pair["final"]["accuracy"]) == (0.25, before["arithmetic_final"])
    assert pair["base"]["num_correct"] == 6 and pair["base"]["by_level"][0]["accuracy"] == 1.0  # from its manifest
    assert not {"identity", "model", "batch", "versions", "cache"} & {*pair["base"], *pair["final"]}
    assert found["seconds"] == before["seconds"] and found["signals"] == before["signals"] and found["facts"] == []
    assert not [key for key in found if key.startswith("arithmetic")]


def test_without_its_manifests_the_few_numbers_of_an_earlier_run_have_to_do(tmp_path: Path) -> None:
    folder = shutil.copytree(UFO, tmp_path / "run")
    shutil.rmtree(folder / "eval")
    shutil.rmtree(folder / "base_eval")
    alone, whole = load_run(folder), load_run(UFO)
    assert alone.after("arithmetic") == whole.after("arithmetic")
    assert alone.before("arithmetic") == whole.before("arithmetic")  # Wilson's interval either way: 6 of 24


def test_runs_of_an_earlier_version_are_compared() -> None:
    text = compare([EARLIER / "runs"])
    assert "ufo 20%" in text and "accuracy 20%" in text and "25.0 -> 29.2 [14.9, 49.2]" in text
    assert "Not in the tables" not in text and "What parts report" not in text
    said = summary(UFO)
    assert "25.0 [12.0, 44.9] -> " in said and "points, paired by question" in said


def test_an_evaluation_of_an_earlier_version_reads_as_one_of_today() -> None:
    found = read_metrics(EVALUATION, ["arithmetic"])
    pair = found["eval"]["arithmetic"]
    assert found["schema"] == SCHEMA and pair["base"] is None and found["seconds"] == old(EVALUATION)["seconds"]
    table = evaluation_table([one["final"] for one in found["eval"].values()])
    assert "avg@2 43.8 [29.2, 60.4]" in table and "arithmetic by level: 1 100.0 (n 4)" in table
    assert evaluation_headline(found) == {  # type: ignore[arg-type]
        "arithmetic_accuracy": 0.4375,
        "arithmetic_n": 24,
        "arithmetic_is_subset": False,
    }


@pytest.mark.parametrize("folder", sorted((EARLIER / "runs/dev").iterdir()), ids=lambda folder: folder.name)
def test_the_columns_of_dashboards_keep_their_names(folder: Path) -> None:
    metrics, before = read_metrics(folder, ["arithmetic"]), old(folder)
    assert headline(metrics) == {  # type: ignore[arg-type]
        **{name: before[name] for name in (*COLUMNS, *ACCURACIES)},
        "n_selected": 19,
        "seconds": before["seconds"],
        "spearman": before["spearman"] and before["spearman"]["rho"],
    }


def test_a_benchmark_that_the_base_model_was_not_asked_has_no_column_of_it() -> None:
    answers = {"benchmark": "b", "n": 4, "is_subset": False, "accuracy": 0.5, "ci_low": 0.1, "ci_high": 0.9}
    facts = [{"part": "selector ufo", "key": key, "value": value} for key, value in (("center", 0.4), ("on", True))]
    metrics = run_metrics(
        num_pool=4,
        num_selected=2,
        trained={"steps": 3, "epochs": 1.5, "generated_tokens": 9},
        budget="steps=3",
        signals={},
        spearman=None,
        base={},
        final={"b": answers},
        seconds={"total": 1.0},
        gpu_hours=0.25,
        facts=facts,  # type: ignore[arg-type]
    )
    columns = headline(metrics)
    assert metrics["eval"]["b"]["base"] is None and "b_base" not in columns and columns["b_final"] == 0.5
    assert columns["gpu_hours"] == 0.25 and columns["selector_ufo_center"] == 0.4 and "selector_ufo_on" not in columns


@pytest.mark.parametrize("schema, cure", [(3, "update ufo-rl"), ("two", "run it again"), (0, "run it again")])
def test_an_unknown_schema_is_named_in_words(tmp_path: Path, schema: Any, cure: str) -> None:
    folder = shutil.copytree(UFO, tmp_path / "run")
    (folder / "metrics.json").write_text(json.dumps({"schema": schema}))
    with pytest.raises(
        UserError, match=rf"metrics.json has schema {schema!r}, this version of ufo-rl reads 1 to 2; {cure}"
    ):
        load_run(folder)


def test_an_earlier_file_that_is_not_whole_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(UFO, tmp_path / "run")
    (folder / "metrics.json").write_text('{"num_pool": 96}')
    with pytest.raises(UserError, match="written by an earlier version and is not whole: 'num_selected' is missing"):
        load_run(folder)
