"""Our prompts of GSM8K with five examples and MATH with four against lm-evaluation-harness's own (bench/lm_eval.py)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.config.schema import DrawnShots
from ufo_rl.errors import UserError
from ufo_rl.evaluation.benchmark import questions
from ufo_rl.evaluation.shared import Asked
from ufo_rl.experiment.data import load_dataset
from ufo_rl.experiment.shots import drawn_shots
from ufo_rl.grader.math import MathGrader
from ufo_rl.model.chat import ChatModel
from ufo_rl.records import Reference

RECORD = json.loads((Path(__file__).parents[1] / "data/lm_eval_prompts.json").read_text())


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", list(RECORD["sha256"]))
def test_the_prompts_are_those_of_the_harness_byte_for_byte(name: str, shared_data: Path, tmp_path: Path) -> None:
    (job,) = compose_jobs([f"eval={name}", f"paths.data={shared_data}"])
    config = load(job.plain)
    benchmark = config.eval[name]
    pool = load_dataset(benchmark.dataset, f"eval.{name}.dataset", config)
    asked = Asked.of(benchmark, questions(name, benchmark, pool), config.grader, [], drawn_shots(name, config))
    chat = ChatModel(config.model, config.template, tmp_path / "memo.json").asked_by(benchmark.template)
    count = len(RECORD["sha256"][name])
    texts = [asked.render(prompt, chat) for prompt in pool.prompts[:count]]
    assert texts[: len(RECORD["prompts"][name])] == RECORD["prompts"][name]
    assert [sha(text) for text in texts] == RECORD["sha256"][name] and count == 40


def test_a_question_is_no_example_of_its_own_and_a_bad_draw_is_told(shared_data: Path) -> None:
    (job,) = compose_jobs(["eval=gsm8k_5shot", f"paths.data={shared_data}"])
    config = load(job.plain)
    benchmark = config.eval["gsm8k_5shot"]
    object.__setattr__(benchmark, "drawn_shots", DrawnShots(dataset=benchmark.dataset, num=1318, seed=0))
    object.__setattr__(benchmark, "dataset", {**benchmark.dataset, "local_file": "gsm8k_test.jsonl"})
    first, *_ = load_dataset(benchmark.dataset, "x", config).prompts
    shots = drawn_shots("gsm8k_5shot", config)[first.id]
    assert len(shots) == 1318 and first.question not in [shot.question for shot in shots]
    object.__setattr__(benchmark, "drawn_shots", DrawnShots(dataset=benchmark.dataset, num=1319, seed=0))
    with pytest.raises(UserError, match=r"^eval.gsm8k_5shot.drawn_shots.num=1319: 1319 rows are too few to draw from"):
        drawn_shots("gsm8k_5shot", config)


@pytest.mark.parametrize(
    ("gold", "completion"),
    [
        ("18", " 16 - 3 - 4 = 9 eggs, 9 * 2 = <<9*2=18>>18.\n#### 18\n\n"),
        ("[2,5)", "so $\\boxed{[2,5)}$.\nFinal Answer: The final answer is $[2,5)$. I hope it is correct."),
        (
            "-\\frac{2}{3}",
            "We have that...\nFinal Answer: The final answer is $-\\frac{2}{3}$. I hope it is correct.\n\n",
        ),
    ],
)
def test_our_grader_reads_the_forms_of_these_examples(gold: str, completion: str) -> None:
    grader = MathGrader(10.0, 10_000)
    assert grader.grade_all([Reference(gold)], [completion])[0].correct
    grader.close()
