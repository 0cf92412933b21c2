"""The shared copies of the published datasets, through the configuration files that users name."""

import functools
import json

import pytest

from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.dataset import count_drops
from ufo_rl.files.rows import read_rows


@functools.cache
def node_of(option):
    group, name = option.split("/")
    (job,) = compose_jobs([f"{group}={name}"])
    return job.plain["eval"][name]["dataset"] if group == "eval" else job.plain["dataset"]


def load(option, data):
    return build(node_of(option), option).load(data)


@pytest.mark.parametrize(
    ("option", "num_rows", "num_prompts", "dropped"),
    [
        ("dataset/gsm8k", 7473, 7473, {}),
        ("dataset/dapo-math-17k", 17398, 17255, {"duplicate": 138, "conflicting_label": 5}),
        ("eval/gsm8k", 1319, 1319, {}),
        ("eval/math500", 500, 500, {}),
        ("eval/aime24", 30, 30, {}),
        ("eval/aime25", 30, 30, {}),
        ("eval/amc23", 40, 40, {}),
        ("eval/minerva", 272, 272, {}),
        ("eval/olympiadbench", 675, 675, {}),
    ],
)
def test_counts(shared_data, option, num_rows, num_prompts, dropped):
    pool = load(option, shared_data)
    assert (pool.num_rows, len(pool.prompts), count_drops(pool.drops)) == (num_rows, num_prompts, dropped)
    assert len({prompt.id for prompt in pool.prompts}) == num_prompts


def test_gsm8k_answers_are_bare_numbers(shared_data):
    prompts = load("dataset/gsm8k", shared_data).prompts
    assert [p.answer for p in prompts if not p.answer.lstrip("-").replace(".", "").isdecimal()] == []
    assert not any("<<" in p.solution for p in prompts)


def test_dapo_answers_are_integers(shared_data):
    assert all(p.answer.lstrip("-").isdecimal() for p in load("dataset/dapo-math-17k", shared_data).prompts)


def test_math500_has_levels_and_subjects(shared_data):
    prompts = load("eval/math500", shared_data).prompts
    assert {p.level for p in prompts} == {"1", "2", "3", "4", "5"}
    assert len({p.subject for p in prompts}) == 7


def raw(data, name):
    return [json.loads(line) for line in (data / name).read_text(encoding="utf-8").splitlines()]


def test_amc_floats_are_integers(shared_data):
    answers = [p.answer for p in load("eval/amc23", shared_data).prompts]
    assert all(a.lstrip("-").isdecimal() for a in answers) and "-1" in answers


def test_minerva_answers_are_the_boxes_of_the_solutions(shared_data):
    prompts = load("eval/minerva", shared_data).prompts
    for prompt in prompts:
        before, box, after = prompt.solution.partition(r"\boxed{")
        assert box and r"\boxed" not in after and prompt.answer == balanced(after).strip(), before
    assert sum("{" in p.answer for p in prompts) > 30  # where a pattern up to the first brace would cut
    assert len({p.subject for p in prompts}) == 9


def balanced(text):
    """The text up to the brace that closes the one before it, counted character by character."""
    depth, at = 1, 0
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0) * (text[at - 1] != "\\")
        at += 1
    return text[: at - 1]


def test_olympiadbench_answers_are_the_one_element_of_their_lists(shared_data):
    rows, prompts = raw(shared_data, "olympiadbench_test.jsonl"), load("eval/olympiadbench", shared_data).prompts
    assert [[p.answer] for p in prompts] == [[a.strip() for a in row["final_answer"]] for row in rows]
    assert {p.subject for p in prompts} == {"Algebra", "Combinatorics", "Geometry", "Number Theory"}
    # the only row with an error, a tolerance, is kept
    assert [(row["id"], row["error"], p.answer) for row, p in zip(rows, prompts, strict=True) if row["error"]] == [
        (2592, "1e-1", "4.2")
    ]


def test_half_a_surrogate_pair_in_json_becomes_a_question_mark(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"question": "\\ud83d\\ude00 \\ud83d 1+1?", "answer": "\\u0032"}\n')
    ((where, row),) = read_rows(tmp_path / "rows.jsonl")
    assert (where, row) == ("rows.jsonl:1", {"question": "\U0001f600 ? 1+1?", "answer": "2"})
