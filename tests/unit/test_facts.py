"""What parts of a run report: the records in metrics.json, the table of the comparison, the lines of the summary."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest

from tests.planted import plant
from ufo_rl.records import Fact
from ufo_rl.report import compare, summary
from ufo_rl.report.facts import fact_records, fact_tables

CENTRE = Fact("center", 0.4321987, column="centre", text="the pool's mean confidence is 0.432")
SKIPPED = Fact("skipped", 1234, column="skipped")


def test_a_fact_becomes_a_record_of_json() -> None:
    numbers = Fact("spread", (np.float64(0.5), 1))
    assert fact_records("selector ufo", [CENTRE, numbers]) == [
        {"part": "selector ufo", "key": "center", "value": 0.4321987, "column": CENTRE.column, "text": CENTRE.text},
        {"part": "selector ufo", "key": "spread", "value": [0.5, 1], "column": None, "text": None},
    ]
    assert fact_records("selector random", []) == []


@pytest.mark.parametrize(
    "facts, words",
    [
        ([Fact("a", 1), Fact("a", 2)], "key 'a' comes twice"),
        ([Fact("a", 1, "x"), Fact("b", 2, "x")], "column 'x' comes twice"),
        ([Fact("", 1)], "'' is no key"),
        ([Fact("a", np.int64(3))], "'a' has the value np.int64.3., which JSON cannot hold .Object of type int64"),
        ([Fact("a", math.nan)], "which JSON cannot hold .None stands for no number"),
        ([Fact("a", {"b": {1}})], "'a' has the value .*, which JSON cannot hold"),
        ([Fact("a", 1, text="two\nlines")], "has text='two.*give text in one line"),
        ([Fact("a", 1, column=" ")], "has column=' '"),
        ([Fact("a", 1, column=3)], "has column=3"),  # type: ignore[arg-type]
    ],
)
def test_what_no_report_could_show_is_refused(facts: list[Fact], words: str) -> None:
    with pytest.raises(ValueError, match=f"facts of mine: .*{words}"):
        fact_records("mine", facts)


def test_facts_reach_the_file_the_comparison_and_the_summary(tmp_path: Any) -> None:
    plant(tmp_path, "full", range(400, 500))
    plant(tmp_path, "random", range(400, 500), facts={"reward mine": [SKIPPED]})
    folder = plant(tmp_path, "ufo", range(400, 500), facts={"selector ufo": [CENTRE], "reward mine": [SKIPPED]})
    stored = json.loads((folder / "metrics.json").read_text())["facts"]
    assert [(one["part"], one["key"]) for one in stored] == [("selector ufo", "center"), ("reward mine", "skipped")]
    text = compare([tmp_path])
    (table,) = [part for part in text.split("\n\n") if part.startswith("What parts report")]
    rows = [line.split() for line in table.splitlines()]
    assert rows[1] == ["arm", "seed", "skipped", "centre"]
    assert rows[3:] == [
        ["full", "0", "-", "-"],
        ["random", "10%", "0", "1,234", "-"],
        ["ufo", "10%", "0", "1,234", "0.4322"],
    ]
    assert "  selector ufo: the pool's mean confidence is 0.432" in summary(folder).splitlines()
    assert "reward mine" not in summary(folder)  # no text


def test_without_facts_there_is_no_table(tmp_path: Any) -> None:
    plant(tmp_path, "ufo", range(400, 500), facts={"selector ufo": [Fact("silent", 1)]})
    assert "What parts report" not in compare([tmp_path])


def test_many_facts_make_more_tables_of_120_columns(tmp_path: Any) -> None:
    facts = [
        Fact(f"k{i}", "a long text that no cell\nholds as it is" * 2, column=f"column number {i}") for i in range(9)
    ]
    plant(tmp_path, "ufo", range(400, 500), facts={"selector ufo": facts})
    text = compare([tmp_path])
    tables = [part for part in text.split("\n\n") if part.startswith("What parts report")]
    assert len(tables) == 3 and all("ufo 10%" in table for table in tables)
    assert all(text.count(f"column number {i}") == 1 for i in range(9))
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "a long text that no cell holds ~" in text


def test_a_column_that_two_parts_of_one_run_have_is_told_apart() -> None:
    ufo = fact_records("selector ufo", [Fact("m", 1, "mean")])
    signal = fact_records("signal pass_rate", [Fact("m", 2, "mean"), Fact("ok", True, "ok"), Fact("no", None, "none")])
    (table,) = fact_tables(["arm"], [(["a"], [*ufo, *signal]), (["b"], ufo)])
    header, _, a, b = table.splitlines()
    assert re.split("  +", header) == ["arm", "selector ufo mean", "signal pass_rate mean", "ok", "none"]
    assert (a.split(), b.split()) == (["a", "1", "2", "yes", "-"], ["b", "1", "-", "-", "-"])
    one, other = fact_records("selector x", [Fact("k", 1, "kept")]), fact_records("selector y", [Fact("l", 2, "kept")])
    (table,) = fact_tables(["arm"], [(["a"], one), (["b"], other)])  # in different runs they share it
    assert [line.split() for line in table.splitlines()][2:] == [["a", "1"], ["b", "2"]]
