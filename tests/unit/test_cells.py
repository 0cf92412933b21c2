"""The text of a cell is the same whatever format it comes from and whatever it is for."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ufo_rl.commands.grade.flow import grade_file
from ufo_rl.commands.grade.options import read_options
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.dataset import refuse_unusable
from ufo_rl.dataset.custom import CustomDataset
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import prepare
from ufo_rl.files.column_path import value_at
from ufo_rl.files.rows import read_rows
from ufo_rl.grader.math import MathGrader
from ufo_rl.records import Pool
from ufo_rl.signals.pass_rate.rollouts import read_rollouts


def pool_of(path: Path, **changes: Any) -> Pool:
    mapping = dict.fromkeys(("solution", "level", "subject", "question_pattern", "answer_pattern", "columns"))
    mapping |= {"question": "question", "answer": "answer", "answer_boxed": False, "strip_thousands": False}
    return CustomDataset(path=str(path), **{**mapping, **changes}).load()


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_float32_is_the_shortest_text_that_is_it(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 4000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    path = write(tmp_path / "rows.parquet", x=pa.array(numbers))
    read = np.array([row["x"] for _, row in read_rows(path) if not isinstance(row, str)])
    assert (read.astype(np.float32) == numbers).all()
    assert max(len(Decimal(repr(float(number))).normalize().as_tuple().digits) for number in read) == 9


def test_a_float32_column_has_one_text_as_answer_level_carried_column_gold_and_completion(tmp_path: Path) -> None:
    numbers = pa.array([0.1, 2.7], pa.float32())
    path = write(tmp_path / "rows.parquet", question=["a", "b"], gold=numbers, more=[[{"x": 0.5}]] * 2, half=numbers)
    one, two = pool_of(path, answer="gold", level="gold", subject="half").prompts
    assert [(p.answer, p.level, p.subject) for p in (one, two)] == [("0.1",) * 3, ("2.7",) * 3]
    nested = pa.array([{"w": [0.1]}, {"w": [2.7]}], pa.struct({"w": pa.list_(pa.float32())}))
    path = write(tmp_path / "rows.parquet", question=["a", "b"], answer=["1", "2"], nested=nested, price=numbers)
    assert [p.columns for p in pool_of(path).prompts] == [
        {"nested": {"w": [0.1]}, "price": 0.1},
        {"nested": {"w": [2.7]}, "price": 2.7},
    ]


def test_golds_and_completions_of_float32_are_graded_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    right = [r"\boxed{0.1}", r"\boxed{2.7}", r"\boxed{3}"]
    write(Path("rows.parquet"), completion=right, gold=pa.array([0.1, 2.7, 3.0], pa.float32()))
    grade_file(read_options(["rows.parquet", "--out", "out.parquet"]))
    written = pq.read_table("out.parquet")
    assert written["correct"].to_pylist() == [True] * 3 and written.schema.field("gold").type == pa.float32()
    assert written["gold"].equals(pq.read_table("rows.parquet")["gold"])


def test_decimals_and_bytes_are_carried_as_their_texts(tmp_path: Path) -> None:
    price = pa.array([Decimal("148.00")], pa.decimal128(10, 2))
    path = write(tmp_path / "rows.parquet", question=["a"], answer=["1"], price=price, raw=[b"148"])
    assert pool_of(path).prompts[0].columns == {"price": "148", "raw": "148"}


def test_the_longest_name_wins_over_a_path_through_it() -> None:
    row = {"a.b": {"c.d": 1, "c": {"d": 2}}, "a": {"b": {"c": {"d": 3}, "x": 4}}}
    assert [value_at(row, path) for path in ("a.b.c.d", "a.b.x", "a", "a.b.c", "a.c")] == [
        1,
        None,
        row["a"],
        {"d": 2},
        None,
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_flat_column_may_have_dots_in_its_name(tmp_path: Path, suffix: str) -> None:
    path, name = tmp_path / f"rows.{suffix}", "reward_model.ground_truth"
    if suffix == "jsonl":
        lines(path, {"question": "1+1?", name: "2"})
    elif suffix == "csv":
        path.write_text(f"question,{name}\n1+1?,2\n")
    else:
        write(path, **{"question": ["1+1?"], name: ["2"], "reward_model": [{"ground_truth": "3"}]})
    for columns in (None, []):
        assert pool_of(path, answer=name, columns=columns).prompts[0].answer == "2"


@pytest.mark.parametrize(
    "cell",
    ['{"ground_truth": "148", "style": "rule"}', "{'ground_truth': '148', 'style': 'rule'}", {"ground_truth": 148}],
)
def test_a_path_goes_into_json_text_and_into_what_python_prints(tmp_path: Path, cell: Any) -> None:
    path = lines(tmp_path / "rows.jsonl", {"question": "50+98=", "reward_model": cell})
    (prompt,) = pool_of(path, answer="reward_model.ground_truth").prompts
    assert (prompt.answer, prompt.columns) == ("148", {})


def test_an_answer_that_is_the_text_of_an_object_is_refused_as_that(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", {"question": "a", "answer": '{"ground_truth": "148"}'})
    grader = MathGrader(time_limit_s=10, max_chars=2000)
    with pytest.raises(
        UserError, match=r'rows.jsonl:1: .*it is JSON text, an object with the key "ground_truth"; name a path'
    ):
        refuse_unusable(pool_of(path), grader.problem_of)
    golds = ["[1, 2]", '["148"]', '"148"', "{1, 2}", r"\{1: 2\}", "{a : b}", r"\left\{x: x > 0\right\}"]
    path = lines(tmp_path / "rows.jsonl", *({"question": str(n), "answer": gold} for n, gold in enumerate(golds)))
    refuse_unusable(pool_of(path), grader.problem_of)


def test_what_has_no_text_is_told_with_a_place_inside_it(tmp_path: Path) -> None:
    cells = [["1", "2"], {"style": "rule", "ground_truth": "1"}, [{"role": "user", "content": "x"}]]
    path = lines(tmp_path / "rows.jsonl", *({"question": "a", "answer": cell} for cell in cells))
    holds, cure = "answer (column answer) holds", "not text; name a column inside it, such as"
    assert pool_of(path).unusable == [
        f"rows.jsonl:1: {holds} a list of 2, {cure} answer.0",
        f"rows.jsonl:2: {holds} a dict, {cure} answer.ground_truth",
        f"rows.jsonl:3: {holds} a dict, {cure} answer.0.content",
    ]


def test_a_column_that_cannot_be_carried_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"question": "a", "answer": "1", "k": 5}, {"question": "b", "answer": "2", "k": 6}]
    path = lines(tmp_path / "rows.jsonl", *rows)
    with path.open("a") as stream:
        stream.write('{"question": "c", "answer": "3", "k": 7, "trace": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    with caplog.at_level(logging.WARNING):
        assert [p.columns for p in pool_of(path).prompts] == [{"k": 5}, {"k": 6}, {"k": 7}]
    assert (
        "the column trace is left out" in caplog.text and "rows.jsonl:3: it holds JSON of more than 100" in caplog.text
    )
    named = pool_of(path, columns=["k"])
    assert len(named.prompts) == 3 and not named.unusable
    far = pa.array([253_402_300_800_000_000], pa.timestamp("us"))
    path = write(tmp_path / "rows.parquet", question=["a"], answer=["1"], until=far, raw=[b"\xff"])
    assert [p.columns for p in pool_of(path).prompts] == [{}]
    (told,) = pool_of(path, answer="until").unusable
    assert told.startswith("rows.parquet:1: answer (column until) holds a timestamp[us] that cannot be read")
    (told,) = pool_of(path, columns=["raw"]).unusable
    assert told.startswith("rows.parquet:1: column raw holds bytes that are no UTF-8")


def test_a_damaged_page_stops_those_alone_who_need_its_column(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rows.parquet"
    texts = pa.array([f"question {n}" for n in range(40)])
    table = pa.table({"question": texts, "answer": ["1"] * 40, "note": [f"note {n}" * 9 for n in range(40)]})
    pq.write_table(table, path, row_group_size=10, write_page_checksum=True, use_dictionary=False, compression="none")
    data = path.read_bytes().replace(b"note 25", b"note 52", 1)
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        pool = pool_of(path)
    assert len(pool.prompts) == 40 and all(p.columns == {} for p in pool.prompts)
    assert (
        "the column note is left out" in caplog.text and "rows.parquet:21: it is damaged in row group 3" in caplog.text
    )
    assert len(pool_of(path, columns=[]).prompts) == 40
    with pytest.raises(UserError, match=r"rows.parquet: the column note is damaged in row group 3: .*CRC"):
        pool_of(path, answer="note")


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").symlink_to("/proc/self/mem")  # a file that even root cannot read from its beginning
    with pytest.raises(UserError, match=r"rows.jsonl cannot be read: Input/output error"):
        pool_of(tmp_path / "rows.jsonl")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match=r"folder.csv: a folder; name a file"):
        pool_of(tmp_path / "folder.csv")
    with pytest.raises(UserError, match=r"x.jsonl: cannot be looked at \(File name too long\)"):
        pool_of(tmp_path / ("x" * 300 + ".jsonl"))


def test_a_benchmark_with_a_question_twice_names_its_line(tmp_path: Path) -> None:
    rows = [{"question": f"{n}+1?", "answer": n + 1} for n in range(79)]
    path = lines(tmp_path / "rows.jsonl", *rows[:40], rows[2], *rows[40:])
    words = ["eval=custom", f"eval.custom.dataset.path={path}", "tracker=off"]
    told = r"79 questions found.* in 80 rows: rows.jsonl:41 asks the question of rows.jsonl:3 again"
    for size in ("80", "null"):
        with pytest.raises(UserError, match=told.replace("questions found", ".*") if size == "null" else told):
            prepare(load(compose_jobs([*words, f"eval.custom.size={size}"])[0].plain))
    assert len(prepare(load(compose_jobs([*words, "eval.custom.size=79"])[0].plain)).benchmarks["custom"]) == 79


def test_a_sample_that_stands_there_twice_must_be_the_same(tmp_path: Path) -> None:
    row = {"id": "a", "sample": 0, "completion": "x"}
    assert read_rollouts(lines(tmp_path / "same.jsonl", row, row)).completions == {"a": ["x"]}
    with pytest.raises(UserError, match=r"other.jsonl:2: sample 0 of prompt a stands there before, with another text"):
        read_rollouts(lines(tmp_path / "other.jsonl", row, {**row, "completion": "y"}))


def test_json_text_within_json_text_is_refused_and_gone_into(tmp_path: Path) -> None:
    twice = json.dumps(json.dumps({"ground_truth": "148"}))
    path = lines(tmp_path / "rows.jsonl", {"question": "a", "answer": twice})
    grader = MathGrader(time_limit_s=10, max_chars=2000)
    with pytest.raises(UserError, match=r"JSON text, an object .*; name a path into its column, COLUMN.ground_truth"):
        refuse_unusable(pool_of(path), grader.problem_of)
    assert pool_of(path, answer="answer.ground_truth").prompts[0].answer == "148"
    path = lines(tmp_path / "rows.jsonl", {"question": "a", "answer": "array(['148'], dtype=object)"})
    with pytest.raises(UserError, match="what Python prints of an array"):
        refuse_unusable(pool_of(path), grader.problem_of)


def test_a_column_that_some_rows_have_is_taken_and_one_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    rows = [{"question": "a", "answer": "1"}, {"question": "b", "answer": "2", "level": 3, "meta": {"source": "x"}}]
    path = lines(tmp_path / "rows.jsonl", *rows)
    assert [p.level for p in pool_of(path, level="level", columns=["meta"]).prompts] == ["", "3"]
    with pytest.raises(UserError) as caught:
        pool_of(path, level="levle", columns=["metta", "other"])
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "level=levle",
        "columns=metta",
        "columns=other",
    ]
    with pytest.raises(UserError, match=r"^subject=meta.sourec: nothing stands there in any row of .*; subject=null"):
        pool_of(path, subject="meta.sourec")


@pytest.mark.parametrize("answers", ["ABCDAB", [r"\frac12", r"\pi", r"\sqrt2", r"\alpha", r"\beta", r"\gamma"]])
def test_rows_between_two_stray_quotes_are_no_cell_whatever_their_answers_are(tmp_path: Path, answers: Any) -> None:
    rows = [f"question {n},{answer}" for n, answer in enumerate(answers)]
    rows[1], rows[4] = f'"{rows[1]}', rows[4].replace(",", '",')
    (tmp_path / "rows.csv").write_text("\n".join(["question,answer", *rows]))
    (told,) = pool_of(tmp_path / "rows.csv").unusable
    assert told.startswith("rows.csv:3: a quoted cell of 4 lines that are each a row")
    (tmp_path / "rows.csv").write_text('question,answer\n"Tom, Ann or\nBob, who?\nNone",A\n"f(x, y)\nwhere?",\\pi\n')
    assert [p.answer for p in pool_of(tmp_path / "rows.csv").prompts] == ["A", r"\pi"]


@pytest.mark.parametrize("written", [json.dumps, str])
def test_a_question_that_is_the_text_of_a_chat_is_refused_with_the_path(tmp_path: Path, written: Any) -> None:
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1+1?"}]
    path = lines(tmp_path / "rows.jsonl", {"prompt": written(chat), "answer": "2"})
    (told,) = pool_of(path, question="prompt").unusable
    assert "question (column prompt) is the text of a chat" in told and told.endswith("such as prompt.0.content")
    assert pool_of(path, question="prompt.1.content").prompts[0].question == "1+1?"
