"""300 data files with one thing wrong each: told with the place, or read to the last row, never anything between."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from random import Random

import pytest

from tests.file_mistakes import MAKERS
from tests.file_mistakes.made import Made, Row, honest_rows
from ufo_rl import cli
from ufo_rl.commands.grade.rows import Needed
from ufo_rl.commands.grade.rows import check as check_graded
from ufo_rl.dataset import refuse_unusable
from ufo_rl.dataset.custom import CustomDataset
from ufo_rl.errors import UserError
from ufo_rl.grader.math import MathGrader
from ufo_rl.records import Pool
from ufo_rl.signals.pass_rate.rollouts import read_rollouts

NUM_FILES = int(os.environ.get("NUM_MISTAKES", "300"))
SEED = int(os.environ.get("SEED_OF_MISTAKES", "0"))
GRADER = MathGrader(time_limit_s=10, max_chars=2000)
OPEN = {
    "solution": None,
    "level": None,
    "subject": None,
    "question_pattern": None,
    "answer_pattern": None,
    "columns": None,
}


def load(path: Path) -> Pool:
    dataset = CustomDataset(str(path), "question", "answer", answer_boxed=False, strip_thousands=False, **OPEN)
    pool = dataset.load()
    refuse_unusable(pool, GRADER.problem_of)
    return pool


def as_read(rows: list[Row]) -> list[Row]:
    """Questions and answers of the prompts that rows become: each question once."""
    texts = [(unicodedata.normalize("NFC", question).strip(), answer.strip()) for question, answer in rows]
    return list({question: (question, answer) for question, answer in reversed(texts)}.values())[::-1]


def check(path: Path, made: Made) -> None:
    """The law."""
    try:
        pool = load(path)
    except UserError as error:
        told = "\n".join(error.problems)
        assert made.rows is None or made.is_either, f"refused: {told}"
        assert path.name in told and made.place in told and all("\n" not in problem for problem in error.problems), told
        assert not any(word in told for word in ("Traceback", "Error(", "<class", "object at 0x")), told
        return
    assert made.rows is not None, f"read as {pool.num_rows} rows: {[(p.question, p.answer) for p in pool.prompts][:5]}"
    assert pool.num_rows == len(pool.prompts) + len(pool.drops) == len(made.rows)
    if made.has_texts:
        found = [(prompt.question, prompt.answer) for prompt in pool.prompts]
        assert sorted(found) == sorted(as_read(made.rows))


def check_other_readers(path: Path, made: Made) -> None:
    """`ufo-rl grade` and finished completions: a mistake is told there too, and all rows are read."""
    num_rows = None if made.rows is None else len(made.rows)
    try:
        needed = Needed(gold="answer", completion="question", columns=())
        assert check_graded(path, needed, GRADER, with_others=True).num_rows == num_rows or num_rows is None
    except UserError:
        assert num_rows is None or made.is_either or made.suffix == ".parquet"
    try:
        read_rollouts(path)
    except UserError as error:
        assert path.name in str(error)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_mistake_is_told_and_nothing_else_is_lost(tmp_path: Path, kind: str) -> None:
    for number in range(SEED, SEED + max(1, round(NUM_FILES / len(MAKERS)))):
        random = Random(f"{kind}/{number}")
        made = MAKERS[kind](random, honest_rows(random))
        path = tmp_path / f"rows{number}{made.suffix}"
        path.write_bytes(made.data)
        try:
            check(path, made)
            check_other_readers(path, made)
        except Exception as error:
            raise AssertionError(f"{kind}/{number}, {path}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("kind", ["latin1_byte", "json_key_twice", "csv_quote_never_closed", "parquet_cut"])
def test_the_command_line_ends_with_2_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    made = MAKERS[kind](Random(kind), honest_rows(Random(kind)))
    monkeypatch.chdir(tmp_path)
    Path(f"mine{made.suffix}").write_bytes(made.data)
    monkeypatch.setattr("sys.argv", ["ufo-rl", "dataset=custom", f"dataset.path=mine{made.suffix}", "tracker=off"])
    assert cli.main() == cli.MISTAKE
    told = capsys.readouterr().err
    assert f"mine{made.suffix}{made.place.rstrip()}" in told and "Traceback" not in told
    assert not Path("outputs").exists()
