"""From rows to a pool: columns of any shape, duplicates, and messages that name the place."""

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ufo_rl.dataset import count_drops, list_drops, refuse_unusable
from ufo_rl.dataset.custom import CustomDataset
from ufo_rl.dataset.hub import HubDataset, numbered
from ufo_rl.dataset.rows import ColumnMapping, to_pool
from ufo_rl.errors import UserError
from ufo_rl.files.hub_access import offline_problem
from ufo_rl.files.rows import read_rows
from ufo_rl.grader.math import MathGrader
from ufo_rl.records import Drop, prompt_id

PLAIN = ColumnMapping(question="question", answer="answer")
GSM8K = {
    "question": "question",
    "answer": "answer",
    "answer_pattern": r"####\s*(.+)",
    "solution": "answer",
    "solution_remove": r"<<[^<>]*>>",
    "strip_thousands": True,
}
DAPO_BEFORE = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
)
DAPO_AFTER = '\n\nRemember to put your answer on its own line after "Answer:".'
DAPO_RAW = {
    "question": "prompt.0.content",
    "answer": "reward_model.ground_truth",
    "question_pattern": r"(?s)\ASolve the following.*?problem\.\n\n(.*)\n\nRemember to put[^\n]*\Z",
}
ALL_NULL = {
    "solution": None,
    "level": None,
    "subject": None,
    "question_pattern": None,
    "answer_pattern": None,
    "answer_boxed": False,
    "strip_thousands": False,
    "columns": None,
}


def pool_of(*rows, columns=PLAIN):
    return to_pool(numbered(rows), columns, "source")


def refused(pool):
    """What is told of a pool with rows that the run's grader, of mathematics, cannot use."""
    grader = MathGrader(time_limit_s=10, max_chars=2000)
    with pytest.raises(UserError) as error:
        refuse_unusable(pool, grader.problem_of)
    return error.value.problems


def custom(path, question="question", answer="answer", **columns):
    return CustomDataset(path=str(path), question=question, answer=answer, **{**ALL_NULL, **columns})


def test_ids_are_of_the_text_after_nfc_and_strip():
    pool = pool_of({"question": " Cafe\u0301? \n", "answer": " 1 "})
    assert [(p.question, p.answer) for p in pool.prompts] == [("Caf\u00e9?", "1")]
    assert pool.prompts[0].id == prompt_id("Caf\u00e9?")


def test_first_of_equal_questions_stays():
    rows = [("a", "1"), ("b", "2"), (" a", "1"), ("a", "3"), ("b ", "2")]
    pool = pool_of(*({"question": q, "answer": a} for q, a in rows))
    a, b = prompt_id("a"), prompt_id("b")
    assert [(p.question, p.answer) for p in pool.prompts] == [("a", "1"), ("b", "2")]
    assert pool.drops == [
        Drop("duplicate", "row 3", a),
        Drop("conflicting_label", "row 4", f"{a}: answer 3, kept 1 of row 1"),
        Drop("duplicate", "row 5", b),
    ]
    assert pool.num_rows == 5
    assert count_drops(pool.drops) == {"duplicate": 2, "conflicting_label": 1}


def test_listing_is_capped_by_reason():
    drops = [Drop("duplicate", f"row {n}", "") for n in range(5)] + [Drop("conflicting_label", "row 9", "")]
    assert list_drops(drops, 2) == [drops[0], drops[1], drops[5]]


def test_gsm8k_answers_and_solutions():
    row = {"question": "How many?", "answer": "2*540=<<2*540=1080>>1080\n#### 1,080"}
    prompt = pool_of(row, columns=ColumnMapping.read("columns", GSM8K)).prompts[0]
    assert (prompt.answer, prompt.solution) == ("1080", "2*540=1080\n#### 1,080")


def test_hub_rows_of_the_published_shapes():
    gsm8k = datasets.Dataset.from_list([{"question": "How many?", "answer": "5\n#### 5"}])
    assert to_pool(numbered(gsm8k), ColumnMapping.read("columns", GSM8K), "gsm8k").prompts[0].answer == "5"

    question = "What is $1+1$?\n\nTake care."
    row = {
        "data_source": "math_dapo",
        "prompt": [{"content": DAPO_BEFORE + question + DAPO_AFTER, "role": "user"}],
        "ability": "MATH",
        "reward_model": {"ground_truth": "2", "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": "9a9b6eb4"},
    }
    dapo = datasets.Dataset.from_list([row] * 100)
    pool = to_pool(numbered(dapo), ColumnMapping.read("columns", DAPO_RAW), "dapo")
    assert [(p.question, p.answer) for p in pool.prompts] == [(question, "2")]
    assert count_drops(pool.drops) == {"duplicate": 99}

    processed = datasets.Dataset.from_list([{"prompt": "What is 1+1?", "solution": "2", "ability": "MATH"}])
    assert (
        to_pool(numbered(processed), ColumnMapping(question="prompt", answer="solution"), "dapo").prompts[0].answer
        == "2"
    )

    math500 = datasets.Dataset.from_list(
        [
            {
                "problem": "What is $1+1$?",
                "solution": r"It is $\boxed{2}$.",
                "answer": "2",
                "subject": "Algebra",
                "level": 2,
                "unique_id": "test/algebra/1.json",
            }
        ]
    )
    columns = ColumnMapping(question="problem", answer="answer", solution="solution", level="level", subject="subject")
    prompt = to_pool(numbered(math500), columns, "math500").prompts[0]
    assert (prompt.answer, prompt.level, prompt.subject) == ("2", "2", "Algebra")


def test_numbers_become_text():
    pool = pool_of({"question": "a", "answer": 27.0}, {"question": "b", "answer": 0.5}, {"question": "c", "answer": 3})
    assert [p.answer for p in pool.prompts] == ["27", "0.5", "3"]


def test_all_bad_rows_are_named():
    pool = pool_of(
        {"question": "a", "answer": "1"},
        {"question": "", "answer": "1"},
        {"question": "b", "answer": None},
        {"question": "c"},
        {"question": "d", "answer": ["1", "2"]},
    )
    text = "\n".join(refused(pool))
    assert "source: 4 of 5 rows unusable" in text
    assert "row 2: no question" in text
    assert "row 3: no answer" in text
    assert "row 4: no answer" in text
    assert "row 5: answer (column answer) holds a list" in text


def test_the_list_of_bad_rows_is_capped():
    problems = refused(pool_of(*({"question": str(n), "answer": ""} for n in range(23))))
    assert len(problems) == 22
    assert problems[-1] == "... and 3 more rows"


def test_missing_columns_name_the_nearest():
    with pytest.raises(UserError) as error:
        pool_of({"questions": "a", "answer": "1"}, columns=ColumnMapping(question="question", answer="label"))
    assert 'question=question: row 1 has no such column; did you mean "questions"?' in str(error.value)
    assert "answer=label" in str(error.value)
    assert "columns: questions, answer" in str(error.value)


def test_no_rows():
    with pytest.raises(UserError, match="source has no rows"):
        pool_of()


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"answer": "a"}, "question"),
        ({"question": "q", "answer": "a", "levle": "l"}, 'did you mean "level"'),
        ({"question": "q", "answer": "a", "answer_pattern": "####"}, "one group"),
        ({"question": "q", "answer": "a", "answer_pattern": "("}, "no regular expression"),
        ({"question": "q", "answer": 3}, "answer=3"),
        ({"question": "q", "answer": "a", "answer_pattern": "(.)", "answer_boxed": True}, "exclude each other"),
    ],
)
def test_wrong_column_mappings(mapping, named):
    with pytest.raises(ValueError, match=named):
        ColumnMapping.read("columns", mapping)


def test_a_row_that_does_not_match_the_pattern_is_bad():
    columns = ColumnMapping(question="question", answer="answer", answer_pattern="#(.)")
    _, problem = refused(pool_of({"question": "a", "answer": "5"}, columns=columns))
    assert problem.startswith("row 1: no answer: the text does not match answer_pattern")


def test_the_last_box_of_a_solution_is_the_answer():
    columns = ColumnMapping(question="question", answer="answer", answer_boxed=True)
    solutions = {
        r"So $x=\boxed{\frac{1}{\sqrt{2}}}$ and the answer is known.": r"\frac{1}{\sqrt{2}}",
        r"First \boxed{3}, then \boxed{4}.": "4",
        r"\boxed{\left\{1, 2\right\}} is complete, \boxed{5 is not": r"\left\{1, 2\right\}",
    }
    pool = pool_of(*({"question": str(n), "answer": s} for n, s in enumerate(solutions)), columns=columns)
    assert [p.answer for p in pool.prompts] == list(solutions.values())
    _, problem = refused(pool_of({"question": "a", "answer": r"It is \boxed{5, or so."}, columns=columns))
    assert problem == r"row 1: no answer: no complete \boxed{..} in column answer"


def test_references_that_cannot_be_graded_are_named_with_their_rows(tmp_path):
    answers = ["7", r"\frac{1}{2", "}1{", r"\boxed{5}", "Answer: 5", r"\, \!", "x" * 2001, r"\frac{1}{2}", "-1,080.5"]
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\n" + "".join(f'{n},"{a}"\n' for n, a in enumerate(answers)), encoding="utf-8")
    first, *rest = refused(custom(path).load())
    assert "6 of 9 rows unusable" in first
    shown = "x" * 60 + "..."
    assert rest == [
        r'rows.csv:3: the reference answer "\frac{1}{2" cannot be graded: its braces do not balance',
        'rows.csv:4: the reference answer "}1{" cannot be graded: its braces do not balance',
        r'rows.csv:5: the reference answer "\boxed{5}" cannot be graded: inside \boxed{} it reads as "5"',
        r'rows.csv:6: the reference answer "Answer: 5" cannot be graded: inside \boxed{} it reads as "5"',
        r'rows.csv:7: the reference answer "\, \!" cannot be graded: nothing but marks, dots and spaces',
        f'rows.csv:8: the reference answer "{shown}" cannot be graded: it has 2001 characters, the limit is 2000',
    ]


def test_custom_jsonl(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"q": {"text": "a\u2028b"}, "a": 1}\n\n{"q": {"text": "c"}, "a": "2", "l": 3}\n', encoding="utf-8")
    pool = custom(path, "q.text", "a").load()
    assert [(p.question, p.answer) for p in pool.prompts] == [("a\u2028b", "1"), ("c", "2")]


def test_a_prompt_carries_the_columns_that_no_part_is_taken_from(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"q": {"text": "a"}, "a": 1, "tests": ["x"], "hard": true, "level": 9}\n{"q": {"text": "b"}, "a": 2}\n'
    )
    carried = [p.columns for p in custom(path, "q.text", "a").load().prompts]
    assert carried == [{"tests": ["x"], "hard": True}, {}]
    named = [p.columns for p in custom(path, "q.text", "a", columns=["tests"]).load().prompts]
    assert named == [{"tests": ["x"]}, {"tests": None}]
    with pytest.raises(UserError, match=r'columns=test: .*rows.jsonl has no such column; did you mean "tests"'):
        custom(path, "q.text", "a", columns=["test"]).load()


def test_custom_csv(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffproblem,label,hard\n"2+2,\nquickly?",4,1\n3+3?,6,2\n', encoding="utf-8")
    pool = custom(path, "problem", "label", level="hard").load()
    assert [(p.question, p.answer, p.level) for p in pool.prompts] == [("2+2,\nquickly?", "4", "1"), ("3+3?", "6", "2")]


def test_custom_parquet(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prompt": [[{"content": "1+1?", "role": "user"}]], "label": [2]}), path)
    pool = custom(path, "prompt.0.content", "label").load()
    assert [(p.question, p.answer) for p in pool.prompts] == [("1+1?", "2")]


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        (
            "rows.jsonl",
            '{"question": "a", "answer": "1"}\n{"question": \n[1]\n{"question": "b"}\n',
            ["rows.jsonl:2: no JSON", "rows.jsonl:3: a JSON value that is no object", "rows.jsonl:4: no answer"],
        ),
        (
            "rows.csv",
            'question,answer\n"a\nb",1\nc,\nd,1,2\n',
            ["rows.csv:4: no answer", "rows.csv:5: 3 cells where the header has 2"],
        ),
    ],
)
def test_bad_lines_are_named(tmp_path, name, text, named):
    (tmp_path / name).write_text(text, encoding="utf-8")
    problems = "\n".join(refused(custom(tmp_path / name).load()))
    assert all(place in problems for place in named)


def test_unreadable_files(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r'no such file; did you mean "rows.jsonl"\?'):
        custom(tmp_path / "row.jsonl").load()
    with pytest.raises(UserError, match=r"files end in .jsonl, .csv, .parquet, not '.xlsx'"):
        read_rows(tmp_path / "rows.xlsx")
    (tmp_path / "rows.parquet").write_text("no parquet", encoding="utf-8")
    with pytest.raises(UserError, match="no Parquet file"):
        custom(tmp_path / "rows.parquet").load()
    (tmp_path / "latin.csv").write_bytes(b"question,answer\ncaf\xe9,1\n")
    with pytest.raises(UserError, match=r"latin.csv:2: no UTF-8 text: byte 0xe9 at character 4"):
        custom(tmp_path / "latin.csv").load()


def test_custom_needs_a_path():
    with pytest.raises(ValueError, match=r"path=null must name a file"):
        CustomDataset(path=None, question="q", answer="a", **ALL_NULL)


def hub(**changes):
    arguments = {
        "path": "owner/maths",
        "config_name": None,
        "split": "train",
        "revision": None,
        "local_file": "maths.jsonl",
        "columns": {"question": "question", "answer": "answer"},
        "local_columns": None,
    }
    return HubDataset(**{**arguments, **changes})


def test_local_copy_may_have_other_columns(tmp_path):
    (tmp_path / "maths.jsonl").write_text('{"problem": "1+1?", "label": "2"}\n', encoding="utf-8")
    pool = hub(local_columns={"question": "problem", "answer": "label"}).load(tmp_path)
    assert [(p.question, p.answer) for p in pool.prompts] == [("1+1?", "2")]


def test_missing_local_folder_or_file_names_the_cure(tmp_path):
    with pytest.raises(UserError, match=r"paths.data=.*absent: no such folder; set UFO_RL_DATA"):
        hub().load(tmp_path / "absent")
    with pytest.raises(UserError, match=r"has no maths.jsonl, the copy of owner/maths"):
        hub().load(tmp_path)


def test_no_network_names_the_dataset_and_the_cure(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline_problem.cache_clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(
        UserError, match=r"owner/maths \(train\) cannot be loaded from the hub.*UFO_RL_DATA.*maths.jsonl"
    ):
        hub().load()
    offline_problem.cache_clear()
