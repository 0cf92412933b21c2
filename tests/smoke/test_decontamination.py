"""A pool with planted benchmark questions: told, listed, and taken out without measuring anything again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ufo
from ufo_rl.dataset.arithmetic import Arithmetic
from ufo_rl.records import Prompt, prompt_id

pytestmark = pytest.mark.smoke
SETTINGS = (
    "model=tiny",
    "dataset=custom",
    "dataset.path=mine.jsonl",
    "selector=ufo",
    "ratio=50pct",
    "train.max_steps=1",
)


def plant(ufo: Ufo, num_clean: int) -> tuple[list[str], list[str]]:
    """A dataset file with `num_clean` training problems and three of the 24 test questions; the ids of these questions
    and of the prompts that hold them."""
    test = Arithmetic("test", 24, [1, 2, 3, 4, 5, 6], 0).load().prompts
    spaced = next(p for p in test if p.level == "1")
    copied, wrapped = (p for p in test[:12] if p.level == "6")
    held = [
        Prompt("", spaced.question.replace("=", " = "), spaced.answer),
        copied,
        Prompt("", f"Compute this: {wrapped.question}", wrapped.answer),
    ]
    clean = Arithmetic("train", num_clean, [1, 2], 0).load().prompts if num_clean else []
    rows = [{"question": p.question, "answer": p.answer} for p in [*held, *clean]]
    (ufo.folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [spaced.id, copied.id, wrapped.id], [prompt_id(p.question) for p in held]


def small(ufo: Ufo) -> list[str]:
    return [argument for argument in ufo.SMALL if not argument.startswith("dataset.")]


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


@pytest.mark.soak
def test_planted_questions_are_found_and_taken_out(ufo: Ufo) -> None:
    questions, prompts = plant(ufo, 37)
    both = (*small(ufo), *SETTINGS, "-m", "contamination.remove=false,true")
    output = ufo.run(*both)
    folders = [path.parent for path in ufo.folder.glob("outputs/sweeps/dev/*/contamination.json")]
    whole, removed = sorted(folders, key=lambda folder: read(folder, "contamination.json")["removed"])
    first, second = output.split(f"run {removed}\n")
    told = "contamination: arithmetic 3 of 24 questions (2 exact)"
    assert f"{told}; contamination.remove=true takes the 3 prompts out" in first
    assert "3 of 24 arithmetic questions (2 exact): still in the pool" in first
    found = read(whole, "contamination.json")
    counts = {"questions": 24, "hit_questions": 3, "exact_questions": 2, "hit_prompts": 3}
    listed = found["benchmarks"]["arithmetic"].pop("pairs")
    assert found == {"ngram": 8, "threshold": 0.8, "removed": False, "benchmarks": {"arithmetic": counts}}
    expected = zip(questions, prompts, [None, 1.0, 1.0], [True, True, False], strict=True)
    assert sorted(tuple(pair.values()) for pair in listed) == sorted(expected)
    assert read(whole, "pool.json")["prompts"] == 40 and ufo.metrics(whole)["num_selected"] == 20

    assert f"{told}; 3 prompts taken out" in second and "(2 exact): taken out" in second
    pool = read(removed, "pool.json")
    assert (pool["rows"], pool["prompts"], pool["dropped"]) == (40, 37, {"contaminated": 3})
    exact, gram = "exact", "8-gram containment 1.00"
    assert pool["drops"] == [
        {"reason": "contaminated", "where": prompt, "detail": f"arithmetic {question}: {how}"}
        for question, prompt, how in zip(questions, prompts, [exact, exact, gram], strict=True)
    ]
    assert pool["key"] != read(whole, "pool.json")["key"]
    signal = ufo.metrics(removed)["signals"]["confidence"]
    assert (signal["num_scored"], signal["num_cached"]) == (0, 37)
    assert not set(prompts) & set(read(removed, "selection.json")["ids"])
    assert ufo.run(*both).count("done before") == 2


def test_a_pool_of_nothing_but_questions_is_refused(ufo: Ufo) -> None:
    plant(ufo, 0)
    output = ufo.run(*small(ufo), *SETTINGS, "selector=full", "contamination.remove=true", status=1)
    assert "contamination.remove=true leaves no prompt" in output and "Traceback" not in output
    assert not list(ufo.folder.glob("outputs/cache/evaluations/*"))


def test_the_command_lists_every_pair(ufo: Ufo) -> None:
    questions, prompts = plant(ufo, 5)
    output = ufo.run("contamination", *small(ufo), "dataset=custom", "dataset.path=mine.jsonl")
    assert "arithmetic: 3 of 24 questions (2 exact), 3 prompts" in output
    lines = [line.split()[:4] for line in output.splitlines() if line.startswith("  ")][1:]
    expected = zip(questions, prompts, ["-", "1.00", "1.00"], ["yes", "yes", "no"], strict=True)
    assert sorted(lines) == sorted(map(list, expected))
    assert not (ufo.folder / "outputs").exists()
