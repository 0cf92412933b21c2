"""Reward parts of a user's: how they are built, what they are called with, and what is refused before anything starts."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import prepare
from ufo_rl.records import OWN, Graded, Prompt, Reference
from ufo_rl.reward.columns import RewardColumns, references_of, refuse_taken_names, row_of
from ufo_rl.reward.completion_text import text_of
from ufo_rl.reward.parts import build_part, for_trl

PACKAGE = """
from dataclasses import replace
from ufo_rl.dataset.arithmetic import Arithmetic

def plain(completions, terms): return [float(t) for t in terms]
def bare(completions): return []
def everything(prompts, completions, completion_ids, limit=3, **columns): return [sorted(columns), limit]
def weighted(completions, weight): return [weight]
async def later(completions, terms): return [None for _ in terms]
def by_place(completions, /): return []
def needy(completions, tests, log_metric): return []
def grading(completions, answer, grader): return [grader, *answer]
word = "no reward"

class Whole:
    weight = 2.0
    def __call__(self, completions, **_): return [1.0] * len(completions)
class Awaited(Whole):
    async def __call__(self, completions, **_): return [1.0] * len(completions)
class NoCall:
    pass
class Named(Arithmetic):
    def load(self, data):
        pool = super().load(data)
        pool.prompts = [replace(p, columns={"log_metric": 1, "tests": "t", "level": 3}) for p in pool.prompts]
        return pool
"""
PROMPTS = [
    Prompt("a", "1+1=?", "2", columns={"terms": 1, "tests": [1, "x", None]}),
    Prompt("b", "1+1+1=?", "3", "1+1=2;2+1=3", "2", columns={"terms": 2, "tests": {"deep": {}}}),
    Prompt("c", "0+0=?", "0"),
]
CHAT = [{"role": "user", "content": "?"}]
TABLE = RewardColumns([row_of(prompt, CHAT) for prompt in PROMPTS])


@pytest.fixture(autouse=True)
def mylab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import sys

    (tmp_path / "parts_of_mylab.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("parts_of_mylab", None)


def node(name: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"parts_of_mylab.{name}", **arguments}


def build(name: str, offered: Any = None, **arguments: Any) -> Any:
    return build_part("mine", node(name, **arguments), ["parts_of_mylab"], **(offered or {}))


def called(part: Any, ids: tuple[str, ...] = ("b", "a", "b"), **more: Any) -> Any:
    given = {
        "prompts": [CHAT] * len(ids),
        "completions": ["x"] * len(ids),
        "completion_ids": [[1]] * len(ids),
        "id": list(ids),
        "trainer_state": None,
        "log_extra": None,
        "log_metric": None,
    }
    return for_trl(part, TABLE)(**given, **more)


def test_a_plain_function_gets_what_it_names() -> None:
    part = build("plain", weight=0.5)
    assert (part.weight, for_trl(part, TABLE).__name__) == (0.5, "mine")
    assert called(part) == [2.0, 1.0, 2.0]


def test_a_function_with_any_columns_gets_all_and_keeps_its_own_argument() -> None:
    names, limit = called(build("everything", weight=1, limit=5))
    assert limit == 5
    of_prompts = ["id", "question", "answer", "solution", "level", "subject", "terms", "tests"]
    assert names == sorted([*of_prompts, "trainer_state", "log_extra", "log_metric"])


def test_a_parameter_named_weight_gets_it_and_grader_the_graders() -> None:
    assert called(build("weighted", weight=0.5)) == [0.5]
    assert called(build("grading", {"grader": "the run's"}, weight=1)) == ["the run's", "3", "2", "3"]


def test_what_is_async_stays_so_and_none_passes() -> None:
    for name, rewards in (("later", [None] * 3), ("Awaited", [1.0] * 3)):
        part = build(name, weight=1)
        assert inspect.iscoroutinefunction(for_trl(part, TABLE)), name
        assert asyncio.run(called(part)) == rewards


def test_a_class_may_bring_its_weight_or_be_given_one() -> None:
    assert build("Whole").weight == 2.0
    assert build("Whole", weight=3).weight == 3.0
    assert called(build("Whole")) == [1.0] * 3


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("plain", {}, "reward.parts.mine.weight is missing: the factor of the part in the total reward, a number"),
        ("plain", {"weight": "big"}, "reward.parts.mine.weight=big must be a number"),
        ("plain", {"weight": float("nan")}, "reward.parts.mine.weight=nan must be a number"),
        (
            "everything",
            {"weight": 1, "limt": 3},
            'reward.parts.mine.limt: unknown key; did you mean "limit"? (keys here: weight, limit)',
        ),
        (
            "everything",
            {"weight": 1, "prompts": 3},
            "reward.parts.mine.prompts: unknown key (keys here: weight, limit)",
        ),
        ("bare", {"weight": 1, "completions": 3}, "reward.parts.mine.completions: unknown key (keys here: weight)"),
        ("by_place", {"weight": 1}, "reward.parts.mine: completions must be allowed by name, as TRL passes everything"),
        ("word", {"weight": 1}, "reward.parts.mine._target_=parts_of_mylab.word is no class or function"),
        (
            "NoCall",
            {"weight": 1},
            "reward.parts.mine._target_=parts_of_mylab.NoCall has no __call__(prompts, completions, **columns)",
        ),
    ],
)
def test_a_wrong_part_is_told_by_its_key(name: str, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError) as caught:
        build(name, **arguments)
    assert caught.value.problems == [problem]


def test_columns_come_as_the_dataset_has_them_and_each_reward_has_its_own() -> None:
    columns = TABLE.of(["a", "c", "b"])
    assert columns["tests"] == [[1, "x", None], None, {"deep": {}}]
    assert (columns["solution"], columns["level"]) == (["", "", "1+1=2;2+1=3"], ["", "", "2"])
    columns["tests"][2]["deep"]["spoilt"] = True
    assert TABLE.of(["b"])["tests"] == [{"deep": {}}]


def test_names_that_rewards_get_anyway_are_refused() -> None:
    refuse_taken_names(["tests", "hints", "completion"])
    with pytest.raises(UserError) as caught:
        refuse_taken_names(["tests", "prompt", "level", "log_extra", "image", "completions"])
    assert [p.split(" has a name")[0] for p in caught.value.problems] == [
        f"dataset: the column {name}" for name in ("prompt", "level", "log_extra", "image", "completions")
    ]
    assert caught.value.problems[0].endswith(
        "TRL uses itself; leave it out (dataset=custom carries the columns of dataset.columns=[...], none with "
        "dataset.columns=[]), or rename it in the data, for example to prompt_given"
    )
    assert references_of(["2"], {"completion": ["3"], "prompts": ["?"]}) == [Reference("2", {"completion": "3"})]
    named = {field.name for field in dataclasses.fields(Prompt)} - {"columns"}
    assert set(OWN) == named


def test_wrong_columns_are_told_before_anything_starts() -> None:
    (job,) = compose_jobs(
        [
            "model=tiny",
            "plugins=[parts_of_mylab]",
            "+reward.parts.needy._target_=parts_of_mylab.needy",
            "+reward.parts.needy.weight=1",
            "dataset.num_prompts=120",
        ]
    )
    with pytest.raises(UserError) as caught:
        prepare(load(job.plain))
    assert caught.value.problems[0].startswith(
        "reward.parts.needy asks for the column tests, which the dataset has not"
    )
    job.plain["dataset"]["_target_"] = "parts_of_mylab.Named"
    with pytest.raises(UserError) as caught:
        prepare(load(job.plain))
    assert [p.split(" has a name")[0] for p in caught.value.problems] == [
        "dataset: the column log_metric",
        "dataset: the column level",
    ]


def test_a_column_with_the_name_of_a_signals_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f'{{"question": "{i}+1=?", "answer": "{i + 1}", "confidence": 0.5}}\n' for i in range(99)))
    (job,) = compose_jobs(["dataset=custom", f"dataset.path={path}", "eval=arithmetic", "selector=ufo", "ratio=50pct"])
    with pytest.raises(UserError) as caught:
        prepare(load(job.plain))
    assert caught.value.problems == [
        "dataset: its column confidence has the name of one that a signal measures; leave it out (dataset=custom carries "
        "the columns of dataset.columns=[...]), or rename it in the data"
    ]
    (job,) = compose_jobs(
        ["dataset=custom", f"dataset.path={path}", "eval=arithmetic", "selector=random", "ratio=50pct"]
    )
    prepare(load(job.plain))  # random measures nothing


SORT = """
class Greedy:
    signals, keeps_all = ("confidence",), False
    def sort_key(self, columns):
        {body}
"""


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ('return columns["tokns"]', "tokns"),
        ('return columns["confidence"] + columns["tokns"]', "tokns"),
        ('return [len(q) + columns["hint"][0] for q in columns["question"]]', "hint"),
        ('return columns["tokens"] + columns["log_confidence"]', ""),
        ('return {"a": 1}["b"]', ""),  # its own affair
        ('return columns.get("tokns", columns["tokens"])', ""),
        ('return columns["tokens"] if columns.get("tokens") is not None else columns["none"]', ""),
        ('raise ValueError("not for such numbers")', ""),
    ],
)
def test_a_column_that_a_selector_asks_for_in_vain_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, missing: str
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "greedy", raising=False)
    (tmp_path / "greedy.py").write_text(SORT.format(body=body))
    importlib.invalidate_caches()
    (job,) = compose_jobs(
        ["plugins=[greedy]", "selector=random", "selector._target_=greedy.Greedy", "selector.name=greedy"]
    )
    try:
        prepare(load(job.plain))
        assert not missing
    except UserError as error:
        (problem,) = error.problems
        assert missing and problem.startswith(f"selector=greedy reads the column {missing}, which neither the dataset")
    finally:
        sys.modules.pop("greedy", None)


def test_graders_get_the_reference_that_the_evaluation_makes() -> None:
    class Told:
        def grade_all(self, references: Any, completions: Any) -> list[Graded]:
            self.told = references, completions
            return [Graded(True, "", "exact")] * len(completions)

    grader: Any = Told()
    part = build_part("right", {"_target_": "ufo_rl.reward.correctness.Correctness", "weight": 1}, grader=grader)
    assert called(part, ("a", "b"), environments=None) == [1.0, 1.0]
    assert grader.told == ([PROMPTS[0].reference, PROMPTS[1].reference], ["x", "x"])
    assert references_of(["1"], {"level": ["2"], "log_metric": print}) == [Reference("1")]
    with pytest.raises(
        UserError,
        match=r"reward.parts.right: missing a required argument: 'grader'; set reward.parts.right.grader=VALUE",
    ):
        build_part("right", {"_target_": "ufo_rl.reward.correctness.Correctness", "weight": 1})


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("plain", "plain"),
        ([{"role": "assistant", "content": "said"}], "said"),
        ([{"role": "assistant", "content": None}], ""),
        (
            [
                {"role": "assistant", "content": "call"},
                {"role": "tool", "content": "4"},
                {"role": "assistant", "content": "so 4"},
            ],
            "so 4",
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}],
                }
            ],
            "ab",
        ),
        ([{"role": "assistant", "tool_calls": []}], ""),
        ([], ""),
    ],
)
def test_the_text_of_a_completion(completion: Any, text: str) -> None:
    assert text_of(completion) == text
