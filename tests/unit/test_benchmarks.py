"""Benchmarks as options: each has its true size, refuses another, and names a subset as one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.folder import conf_folder
from ufo_rl.config.load import load
from ufo_rl.config.schema import Config
from ufo_rl.errors import UserError
from ufo_rl.evaluation.benchmark import questions
from ufo_rl.experiment.data import load_pool
from ufo_rl.experiment.prepare import check, check_examination, check_selection, prepare
from ufo_rl.grader.math import MathGrader

# As published; some are our own.
SIZES = {
    "aime24": 30,
    "aime25": 30,
    "amc23": 40,
    "arithmetic": 600,
    "gsm8k": 1319,
    "gsm8k_5shot": 1319,
    "math500": 500,
    "math500_4shot": 500,
    "minerva": 272,
    "olympiadbench": 675,
    "rules_pool": 600,
    "rules_zone": 600,
    "words": 300,
}
GENERATED = {"arithmetic", "rules_pool", "rules_zone", "words"}
FROM_FILES = sorted(set(SIZES) - GENERATED)


def config(*overrides: str) -> Config:
    (job,) = compose_jobs(["tracker=off", *overrides])
    return load(job.plain)


def refused(*overrides: str) -> str:
    """What is told of a job before anything starts."""
    (job,) = compose_jobs(["tracker=off", *overrides])
    with pytest.raises(UserError) as caught:
        check(job.plain)
    return str(caught.value)


def write_rows(path: Path, count: int) -> None:
    lines = [json.dumps({"question": f"{n}+{n}=?", "answer": 2 * n, "text": ""}) for n in range(count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_every_benchmark_declares_its_size() -> None:
    options = {path.stem for path in (conf_folder() / "eval").glob("*.yaml")}
    assert options == {*SIZES, "custom"}
    chosen = config(f"eval=[{','.join(SIZES)}]").eval
    assert {name: benchmark.size for name, benchmark in chosen.items()} == SIZES


@pytest.mark.parametrize("name", FROM_FILES)
def test_a_file_cut_short_is_refused(shared_data: Path, tmp_path: Path, name: str) -> None:
    made = config(f"eval={name}", f"paths.data={tmp_path}")
    benchmark = made.eval[name]
    file = benchmark.dataset["local_file"]
    lines = (shared_data / file).read_bytes().splitlines(keepends=True)

    (tmp_path / file).write_bytes(b"".join(lines[:-1]))
    pool = load_pool(benchmark.dataset, f"eval.{name}.dataset", made, made.grader)
    with pytest.raises(UserError, match=rf"eval.{name}: {SIZES[name] - 1} questions.*has {SIZES[name]}"):
        questions(name, benchmark, pool)


def test_all_benchmarks_are_read_in_one_run(shared_data: Path) -> None:
    prepared = prepare(config(f"eval=[{','.join(SIZES)}]", f"paths.data={shared_data}"))
    assert {name: len(prompts) for name, prompts in prepared.benchmarks.items()} == SIZES


def test_a_limit_takes_the_first_by_id_of_a_complete_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 9)
    chosen = ["eval=custom", f"eval.custom.dataset.path={tmp_path}/rows.jsonl", "eval.custom.size=9"]
    every = prepare(config(*chosen)).benchmarks["custom"]
    few = prepare(config(*chosen, "eval.custom.limit=4")).benchmarks["custom"]
    assert few == sorted(every, key=lambda p: p.id)[:4]
    with pytest.raises(UserError, match="9 questions found, the benchmark has 10"):
        prepare(config(*chosen, "eval.custom.size=10", "eval.custom.limit=4"))


def test_a_benchmark_of_ones_own_maps_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"problem": "a", "worked": r"So \boxed{\frac{1}{2}}."}) + "\n", encoding="utf-8")
    mapping = ["dataset.question=problem", "dataset.answer=worked", "dataset.answer_boxed=true", "size=1"]
    made = config("eval=custom", f"eval.custom.dataset.path={path}", *(f"eval.custom.{word}" for word in mapping))
    (prompt,) = prepare(made).benchmarks["custom"]
    assert (prompt.question, prompt.answer) == ("a", r"\frac{1}{2}")


def test_a_benchmark_of_ones_own_must_declare_its_size(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 7)
    told = refused("eval=custom", f"eval.custom.dataset.path={tmp_path}/rows.jsonl")
    assert re.search(r"eval.custom.size=null: .* 7 were found.*: eval.custom.size=7", told)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("size=7", r"eval.custom.dataset.path=null must name a file"),
        ("dataset.path=absent.jsonl", r"eval.custom.dataset.path=absent.jsonl: no such file"),
        ("dataset.path={rows}", r"eval.custom.dataset.answer=label: rows.jsonl:1 has no such column"),
        (
            "dataset.path={rows} eval.custom.dataset.answer=answer eval.custom.dataset.columns=[test]",
            r'eval.custom.dataset.columns=test: .*rows.jsonl has no such column; did you mean "text"\?',
        ),
    ],
)
def test_mistakes_name_the_key_as_the_user_wrote_it(tmp_path: Path, change: str, problem: str) -> None:
    write_rows(tmp_path / "rows.jsonl", 7)
    words = f"eval.custom.dataset.answer=label eval.custom.{change.format(rows=tmp_path / 'rows.jsonl')}".split()
    assert re.match(problem, refused("eval=custom", *words))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("025", "25"), ("336^\\circ", "336"), ("27", "27.0"), ("$-2,0,2$", "2, 0, -2"), ("$69$,$84$", "84, 69")],
)
def test_the_grader_knows_the_oddities_of_the_golds(gold: str, answer: str) -> None:
    grader = MathGrader(time_limit_s=10, max_chars=2000)
    assert grader.grade(gold, f"\\boxed{{{answer}}}").correct
    assert not grader.grade(gold, f"\\boxed{{{answer}1}}").correct
    grader.close()


def test_a_pool_that_is_only_scored_needs_no_benchmark(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 20)
    words = ["model=tiny", "dataset=custom", f"dataset.path={tmp_path}/rows.jsonl", "ratio=50pct", "tracker=off"]
    (job,) = compose_jobs(words)
    assert (
        len(check_examination(job.plain)[1].pool.prompts) == len(check_selection(job.plain, None)[1].pool.prompts) == 20
    )
    assert "eval is empty; choose a benchmark, for example eval=math500" in refused(*words)
