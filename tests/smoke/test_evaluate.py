"""`ufo-rl evaluate`: no training; completions are stored one by one, shared, and never made twice."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import SmallRun, Ufo, family
from tests.waiting import wait_until

pytestmark = pytest.mark.smoke
COMMAND = ("evaluate", "model=tiny", "launch.threads_per_rank=1", "tracker=off")


def lab(num_questions: int) -> tuple[str, ...]:
    return (f"eval.arithmetic.dataset.num_prompts={num_questions}", f"eval.arithmetic.size={num_questions}")


def stored(ufo: Ufo) -> list[dict[str, Any]]:
    chunks = ufo.folder.glob("outputs/cache/completions/*/chunk-*.parquet")
    return [row for chunk in chunks for row in pq.read_table(chunk).to_pylist()]


def answers(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    rows = pq.read_table(folder / "questions.parquet").to_pylist()
    return {(row["id"], row["sample"]): row for row in rows}


@pytest.mark.soak
def test_killed_and_started_again_it_makes_no_completion_twice_and_then_none_at_all(ufo: Ufo) -> None:
    slow = (*COMMAND, *lab(600), "engine.batch_tokens=1")  # one question a batch
    mark = uuid.uuid4().hex
    process = ufo.start(*slow, UFO_TEST=mark)
    while len(stored(ufo)) < 20:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wait_until(lambda: not family(mark))
    before = stored(ufo)
    assert 20 <= len(before) < 600
    output = ufo.run(*COMMAND, *lab(600))
    assert f"generating {600 - len(before)} of 600 completions" in output
    rows = stored(ufo)
    assert len(rows) == len({row["key"] for row in rows}) == 600
    (folder,) = ufo.folder.glob("outputs/evaluations/dev/*")
    found = answers(folder / "eval/arithmetic")
    assert len(found) == 600
    manifest = json.loads((folder / "eval/arithmetic/manifest.json").read_text())
    assert manifest["num_correct"] == sum(row["correct"] for row in found.values())
    batches = {made["batch_tokens"]: made["completions"] for made in manifest["batch"]}
    assert batches == {1: len(before), 32768: 600 - len(before)}
    again = ufo.run(*COMMAND, *lab(600))
    assert "(stored)" in again and "generating" not in again
    table = re.search(r"^arithmetic +600 +1 +([\d.]+) ", again, flags=re.M)
    assert table and table[1] == f"{100 * manifest['accuracy']:.1f}"


@pytest.mark.soak
def test_more_samples_another_limit_and_another_grader_reuse_what_is_stored(ufo: Ufo) -> None:
    sampled = (*COMMAND, *lab(24), "eval.arithmetic.temperature=1.0")
    ufo.run(*sampled, "eval.arithmetic.num_samples=2")
    (first,) = ufo.folder.glob("outputs/evaluations/dev/*")
    two = answers(first / "eval/arithmetic")
    output = ufo.run(*sampled, "eval.arithmetic.num_samples=4")
    assert "generating 48 of 96 completions" in output and "pass@4" in output and "maj@4" in output
    (second,) = set(ufo.folder.glob("outputs/evaluations/dev/*")) - {first}
    four = answers(second / "eval/arithmetic")
    assert len(four) == 96 and all(four[key]["completion"] == two[key]["completion"] for key in two)
    assert len({row["completion"] for row in four.values() if row["id"] == next(iter(four))[0]}) > 1
    output = ufo.run(*sampled, "eval.arithmetic.num_samples=4", "grader.max_chars=100", "eval.arithmetic.limit=6")
    assert "generating" not in output and re.search(r"^arithmetic \(subset\) +6 +4 ", output, flags=re.M)


@pytest.mark.soak
def test_new_labels_of_the_same_questions_make_new_tables_and_no_completion(ufo: Ufo) -> None:
    rows = [{"question": f"{i}+1=?", "answer": str(i + 1), "part": "low" if i < 3 else "high"} for i in range(6)]
    (ufo.folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    custom = (*COMMAND, "eval=custom", "eval.custom.dataset.path=mine.jsonl", "eval.custom.size=6")
    assert "by subject" not in ufo.run(*custom)
    output = ufo.run(*custom, "eval.custom.dataset.subject=part")
    assert "generating" not in output and re.search(
        r"custom by subject: high [\d.]+ \(n 3\), low [\d.]+ \(n 3\)", output
    )
    output = ufo.run(*custom, "eval.custom.limit=2")
    assert "generating" not in output and "custom (subset)" in output
    journals = "".join(path.read_text() for path in ufo.folder.glob("outputs/evaluations/dev/*/metrics.jsonl"))
    assert '"is_subset": true' in journals and '"is_subset": false' in journals


def test_a_run_and_an_evaluation_of_its_models_share_completions(ufo: Ufo, small_run: SmallRun) -> None:
    shutil.copytree(small_run.ufo.folder / "outputs", ufo.folder / "outputs")
    folder = ufo.folder / small_run.folder.relative_to(small_run.ufo.folder)
    found = ufo.metrics(folder)["eval"]["arithmetic"]
    output = ufo.run(*COMMAND, *lab(24))
    assert "generating" not in output and f"{100 * found['base']['accuracy']:.1f} %" in output
    policy = folder / "train/policy"
    output = ufo.run(*COMMAND, *lab(24), f"model.path={policy}")
    assert "generating" not in output and f"{100 * found['final']['accuracy']:.1f} %" in output


@pytest.mark.soak
def test_two_ranks_give_the_answers_of_one(ufo: Ufo, small_run: SmallRun) -> None:
    """One rank asked the untrained model in the run before training."""
    base = json.loads((small_run.folder / "base_eval/arithmetic.json").read_text())
    output = ufo.run(*COMMAND, *lab(24), "launch.num_ranks=2")
    assert "generating 24 of 24 completions" in output
    (two,) = ufo.folder.glob("outputs/evaluations/dev/*")
    one = answers(small_run.ufo.folder / "outputs" / base["cache"])
    assert len(one) == 24 and one == answers(two / "eval/arithmetic")


@pytest.mark.soak
def test_worked_examples_stand_before_the_question(ufo: Ufo) -> None:
    shots = 'eval.arithmetic.few_shot=[{question: "1+1=?", response: "<think> 1+1=2</think> <answer> 2</answer>"}]'
    ufo.run(*COMMAND, *lab(12), shots)
    (folder,) = ufo.folder.glob("outputs/evaluations/dev/*")
    for row in answers(folder / "eval/arithmetic").values():
        places = [row["prompt"].index(text) for text in ("1+1=?", "<answer> 2</answer>", row["question"])]
        assert places == sorted(places)


def test_mistakes_of_an_evaluation_come_together(ufo: Ufo) -> None:
    output = ufo.run(*COMMAND, "model.path=./gone", "eval.arithmetic.num_samples=4", "paths.data=nowhere", status=2)
    for words in (
        "model.path=./gone is no folder",
        "eval.arithmetic.num_samples=4 at",
        "paths.data=nowhere is no folder",
    ):
        assert words in output
    assert "Traceback" not in output and not (ufo.folder / "outputs").exists()
