"""`ufo-rl grade FILE`: counts worked out by hand, an audit that disagrees where it was told to, mistakes in plain words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ufo_rl.commands.grade.flow import grade_file
from ufo_rl.commands.grade.options import read_options
from ufo_rl.errors import UserError
from ufo_rl.grader.math.process import verifier

HANGS = r"\boxed{\int_0^1 9^{9^{9^9}} dx}"
# By hand: three right, one by each of the first three ways; 7 against 8; no answer twice; one that takes for ever.
ROWS = [
    {"id": 1, "gold": "42", "completion": r"so \boxed{42}"},
    {"id": 2, "gold": "1/2", "completion": "#### 0.5"},
    {"id": 3, "gold": "x^2+2x+1", "completion": "<answer>(x+1)^2</answer>"},
    {"id": 4, "gold": "7", "completion": "Answer: 8"},
    {"id": 5, "gold": "42", "completion": "it is 42"},
    {"id": 6, "gold": "42", "completion": None},
    {"id": 7, "gold": "7", "completion": HANGS},
]
LIMIT = "grader.time_limit_s=3"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def grade(*words: str) -> str:
    return grade_file(read_options(words))


def cells(text: str, first: str) -> list[str]:
    """The cells behind the first one in the table row that begins with `first`."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{first} ")]
    return re.split(r"  +", line)[1:]


def test_counts(here: Path) -> None:
    write(here / "rows.jsonl", ROWS)
    before = (here / "rows.jsonl").read_bytes()
    text = grade("rows.jsonl", LIMIT)
    # Wilson for 3 of 7: (3/7 + z^2/14 -+ z sqrt(12/343 + z^2/196)) / (1 + z^2/7) with z = 1.96 is 0.158 and 0.750
    assert cells(text, "rows.jsonl") == ["7", "3", "42.9", "[15.8, 75.0]", "2", "1", "0", "0"]
    assert [cells(text, m) for m in ("exact", "number", "formula", "none")] == [
        ["1", "1"],
        ["2", "1"],
        ["1", "1"],
        ["3", "0"],
    ]
    assert [path.name for path in here.iterdir()] == ["rows.jsonl"] and (here / "rows.jsonl").read_bytes() == before


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_verdicts_stand_beside_every_column_of_the_file(here: Path, suffix: str) -> None:
    rows = [{**row, "more": {"k": [row["id"]]}} for row in ROWS if row["id"] in (1, 2, 4, 5)]
    write(here / "rows.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), here / "rows.parquet")
    for source in ("rows.jsonl", "rows.parquet"):
        out = here / f"out.{suffix}"
        text = grade(source, "--out", out.name)
        written = read(out) if suffix == "jsonl" else pq.read_table(out).to_pylist()
        assert [{k: row[k] for k in rows[0]} for row in written] == rows
        assert [(row["extracted"], row["correct"], row["method"]) for row in written] == [
            ("42", True, "exact"),
            ("0.5", True, "number"),
            ("8", False, "number"),
            ("", False, "none"),
        ]
        assert [row["reason"] for row in written] == ["", "", "", "unparsed: no final answer"]
        assert f"Verdicts: out.{suffix}" in text


def test_columns_that_only_later_rows_have_are_kept(here: Path) -> None:
    rows: list[dict[str, Any]] = [{"gold": "1", "completion": "#### 1"}] * 1100  # more than is read at a time
    write(here / "rows.jsonl", [*rows, {"gold": "1", "completion": "#### 2", "late": 5}])
    grade("rows.jsonl", "--out", "out.parquet")
    written = pq.read_table("out.parquet").to_pylist()
    assert [row["correct"] for row in written] == [True] * 1100 + [False]
    assert [row["late"] for row in written] == [None] * 1100 + [5]


def test_samples_in_a_list(here: Path) -> None:
    right, wrong = "#### 6", "#### 5"
    write(here / "rows.jsonl", [{"gold": "6", "completion": [right, wrong]}, {"gold": "6", "completion": [right] * 4}])
    text = grade("rows.jsonl", "--out", "out.jsonl")
    # 5 of 6 samples are right; the mean of the rows' shares is (1/2 + 4/4) / 2. Fewer than 10 rows: Wilson, 1.5 of 2
    assert cells(text, "rows.jsonl")[:4] == ["6", "5", "75.0", "[19.8, 97.3]"]
    assert "avg@2..4: the mean over 2 rows" in text and "too narrow" not in text
    first = read(here / "out.jsonl")[0]
    assert (first["extracted"], first["correct"], first["reason"]) == (["6", "5"], [True, False], ["", ""])
    grade("rows.jsonl", "--out", "out.parquet")
    assert [row["correct"] for row in pq.read_table("out.parquet").to_pylist()] == [[True, False], [True] * 4]


def test_columns_inside_columns(here: Path) -> None:
    chat = [{"role": "user", "content": "#### 1"}, {"role": "assistant", "content": "#### 9"}]
    write(here / "rows.jsonl", [{"reward_model": {"ground_truth": 9}, "chat": chat}])
    text = grade("rows.jsonl", "--gold", "reward_model.ground_truth", "--completion", "chat.1.content")
    assert cells(text, "rows.jsonl")[:2] == ["1", "1"]


def test_csv_with_a_completion_longer_than_python_reads_by_default(here: Path) -> None:
    with (here / "rows.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [["answer", "text"], ["1,080", "x\n" * 100_000 + "#### 1080"], ["3", ""], ["3", "#### 4"]]
        )
    text = grade("rows.csv", "--gold", "answer", "--completion", "text", "--out", "out.parquet")
    assert cells(text, "rows.csv")[:2] + cells(text, "rows.csv")[4:] == ["3", "1", "1", "0", "0", "0"]
    assert pq.read_table("out.parquet")["answer"].to_pylist() == ["1,080", "3", "3"]


HOUSE = """
import json, os, sys, time
print(json.dumps({"equal": True, "reason": "", "method": "printed at import"}))

def judge(gold, completion):
    print(json.dumps({"equal": True, "reason": "", "method": "printed"}), flush=True)
    os.write(1, b"no JSON at all")
    if "hang" in completion:
        time.sleep(1000)
    if "raise" in completion:
        raise ValueError
    if "leave" in completion:
        os._exit(7)
    return 0.5 if "half" in completion else gold in completion
"""


def test_an_audit_by_a_module_of_this_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "backstop", lambda time_limit_s: 1.0)
    (here / "house.py").write_text(HOUSE)
    completions = ["#### 6", "hang #### 7", "raise #### 7", "it is 6", "leave #### 7", "#### 61", "#### 5", "half"]
    write(here / "rows.jsonl", [{"gold": "6", "completion": text} for text in completions])
    text = grade("rows.jsonl", "--audit", "house:judge", "--out", "out.jsonl", LIMIT)
    written = read(here / "out.jsonl")
    assert [row["correct"] for row in written] == [True, False, False, False, False, False, False, False]
    assert [row["audit_correct"] for row in written] == [True, False, False, True, False, True, False, False]
    stalled = written[1]["audit_reason"]
    assert stalled.startswith(
        "stalled: twice no verdict within 1 s, though it used less than 3 s of CPU time: it waits"
    )
    assert [row["audit_reason"] for row in written] == [
        "",
        stalled,
        "crash: ValueError",
        "",
        "crash: the child process ended with status 7",
        "",
        "",
        "crash: it returned 0.5, not true or false",
    ]
    assert cells(text, "house:judge") == ["6", "75.0", "1", "0", "2", "5", "0", "1", "3"]
    listed = [line.strip() for line in text.splitlines() if line.startswith("  rows.jsonl:")]
    assert listed == [
        "rows.jsonl:4: gold 6, nothing extracted; ours wrong (unparsed: no final answer), theirs right",
        "rows.jsonl:6: gold 6, extracted 61; ours wrong (number), theirs right",
    ]


OWN = """
from ufo_rl.grader.math import MathGrader

class Doubled(MathGrader):
    columns = ("factor",)
    def grade_all(self, references, completions):
        golds = [str(int(one.answer) * one.columns["factor"]) for one in references]
        return super().grade_all(golds, completions)
"""


def test_a_grader_of_ones_own_gets_the_columns_that_it_reads(here: Path) -> None:
    (here / "own_grader.py").write_text(OWN)
    own = ["plugins=[own_grader]", "grader._target_=own_grader.Doubled"]
    rows = [{"gold": "3", "factor": 2, "completion": text} for text in ("#### 6", "#### 3")]
    write(here / "rows.jsonl", rows)
    assert cells(grade("rows.jsonl", *own), "rows.jsonl")[:2] == ["2", "1"]
    write(here / "rows.jsonl", [*rows, {"gold": "3", "completion": "#### 6"}])
    with pytest.raises(UserError, match=r"rows.jsonl:3: no column factor, which the grader reads"):
        grade("rows.jsonl", *own)


def test_an_audit_by_math_verify(here: Path) -> None:
    # math-verify does not know the sign of one half, and takes a number that is merely mentioned for an answer
    rows = [("1/2", r"\boxed{\frac{2}{4}}"), ("0.5", "\\boxed{\u00bd}"), ("42", "it is 42"), ("42", r"\boxed{43}")]
    write(here / "rows.jsonl", [{"gold": gold, "completion": text} for gold, text in rows])
    text = grade("rows.jsonl", "--audit", "math_verify")
    assert cells(text, "math_verify") == ["2", "50.0", "1", "1", "1", "1", "0", "0", "0"]
    assert re.findall(r"^  rows.jsonl:(\d)", text, flags=re.M) == ["2", "3"]


def test_fifty_disagreements_are_shown_and_all_are_written(here: Path) -> None:
    (here / "never.py").write_text("def judge(gold, completion):\n    return False\n")
    write(here / "rows.jsonl", [{"gold": "6", "completion": ["#### 6", "#### 7"]}] * 30 + [ROWS[0]] * 30)
    text = grade("rows.jsonl", "--audit", "never:judge", "--out", "out.jsonl")
    assert cells(text, "never:judge") == ["30", "33.3", "0", "60", "0", "30", "0", "0", "0"]
    assert "Disagreements: 60, the first 50\n  rows.jsonl:1 sample 1: gold 6" in text
    assert len(re.findall(r"^  rows.jsonl:", text, flags=re.M)) == 50
    assert [row["audit_correct"] for row in read(here / "out.jsonl")] == [[False, False]] * 30 + [False] * 30


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["name a file"]),
        (["row.jsonl"], ["row.jsonl: no such file", '"rows.jsonl"']),
        (["rows.txt"], ["rows.txt", ".jsonl, .csv, .parquet"]),
        (["rows.jsonl", "--gld", "x"], ["--gld: no such option", '"--gold"']),
        (["rows.jsonl", "--out"], ["--out", "expected one argument"]),
        (["rows.jsonl", "b.jsonl"], ["b.jsonl: one file at a time"]),
        (["rows.jsonl", "gold=answer", "seed=1"], ["write --gold answer", "seed=1: has no effect", "grader.ordered"]),
        (["rows.jsonl", LIMIT.replace("3", "-3")], ["grader.time_limit_s=-3 must be > 0"]),
        (
            ["rows.jsonl", LIMIT.replace("3", "many"), "--audit", "math_verify"],
            ["grader.time_limit_s=many must be > 0"],
        ),
        (
            ["rows.jsonl", LIMIT.replace("3", "0"), "grader.max_chars=0"],
            ["grader.time_limit_s=0 must be > 0\ngrader.max_chars=0 must be >= 1 and whole"],
        ),
        (["rows.jsonl", "--out", "./rows.jsonl"], ["rows.jsonl is the file that is graded"]),
        (["rows.jsonl", "--out", "out.csv", "--audit", "house"], ["must end in .jsonl or .parquet", "module:function"]),
        (
            ["rows.jsonl", "--gold", "answer", "--completion", "completions"],
            [
                "--gold answer: rows.jsonl:1 has no such column",
                '"completion"',
                "(columns: id, gold, completion, reason)",
            ],
        ),
        (["rows.jsonl", "--out", "out.jsonl"], ["rows.jsonl has columns reason already"]),
        (["rows.jsonl", "--audit", "nowhere.x:judge"], ["--audit nowhere.x:judge", "No module named 'nowhere'"]),
        (["rows.jsonl", "--audit", "bad:judge"], ["bad:judge", "ZeroDivisionError"]),
        (["rows.jsonl", "--audit", "math:pi"], ["math:pi", "pi is no function"]),
        (["empty.jsonl"], ["empty.jsonl has no rows"]),
        (["chats.jsonl"], ["chats.jsonl:1: completion (column completion) holds a dict", "completion.0.content"]),
        (["mixed.jsonl", "--out", "out.parquet"], ["mixed.jsonl: Parquet cannot hold", "to a .jsonl file"]),
        (
            ["golds.jsonl"],
            ["23 of 25 rows cannot be graded", "golds.jsonl:2: no gold", "no JSON", "... and 3 more rows"],
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_graded(here: Path, words: list[str], expected: list[str]) -> None:
    write(here / "rows.jsonl", [{**row, "reason": ""} for row in ROWS])
    write(here / "chats.jsonl", [{"gold": "1", "completion": [{"role": "assistant", "content": "#### 1"}]}])
    write(here / "mixed.jsonl", [{"gold": "1", "completion": "#### 1"}, {"gold": "1", "completion": ["#### 1"]}])
    write(here / "golds.jsonl", [ROWS[0], {**ROWS[0], "gold": " "}, *[{"completion": "1"}] * 21, ROWS[0]])
    (here / "golds.jsonl").write_text(
        (here / "golds.jsonl").read_text().replace('{"completion"', "{completion", 1) + "{"
    )
    (here / "empty.jsonl").write_text("\n")
    (here / "rows.txt").write_text("")
    (here / "bad.py").write_text("1 / 0\n")
    before = sorted(here.iterdir())
    with pytest.raises(UserError) as caught:
        grade(*words)
    for text in expected:
        assert text in str(caught.value)
    assert [path for path in sorted(here.iterdir()) if path.name != "__pycache__"] == before


def test_completions_that_a_table_wrote_as_text_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    chat = [{"role": "assistant", "content": r"\boxed{1}"}]
    for text in (json.dumps(chat), str(chat)):
        Path("chat.jsonl").write_text(json.dumps({"completion": text, "gold": "1"}) + "\n")
        with pytest.raises(UserError, match=r"chat.jsonl:1: .* is the text of a chat; .* such as completion.0.content"):
            grade_file(read_options(["chat.jsonl"]))
    rows = [{"completion": str([r"\boxed{1}", r"\boxed{2}"]), "gold": "1"}] * 2
    Path("lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    grade_file(read_options(["lists.jsonl"]))
    assert "every completion is the text of a list" in caplog.text and "--completion completion.0" in caplog.text
    caplog.clear()
    Path("some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"completion": "7", "gold": "7"}]))
    grade_file(read_options(["some.jsonl"]))
    assert "text of a list" not in caplog.text
