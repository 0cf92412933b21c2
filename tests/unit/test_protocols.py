"""Parts of a user's that are not what their protocol asks: told by key before anything is measured."""

from __future__ import annotations

import copy
import importlib.util
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ufo_rl.commands.grade.flow import grade_file
from ufo_rl.commands.grade.options import Options
from ufo_rl.config.build import build
from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.identity import run_id
from ufo_rl.config.load import load
from ufo_rl.dataset.sound import check_pool
from ufo_rl.errors import UserError
from ufo_rl.experiment.prepare import check
from ufo_rl.launch.request import Request, kind_of
from ufo_rl.launch.request import plain as plain_of
from ufo_rl.records import Pool, Prompt
from ufo_rl.signals.agreement import check_signals, check_values
from ufo_rl.signals.costs import remember
from ufo_rl.signals.protocol import SignalRequest

Write = Callable[[str], dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the module odd_parts; returns the node of its class Odd."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "odd_parts", raising=False)

    def written(text: str) -> dict[str, Any]:
        (tmp_path / "odd_parts.py").write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop("odd_parts", None)
        return {"_target_": "odd_parts.Odd"}

    return written


def plain(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A small configuration with other nodes in some places."""
    (job,) = compose_jobs(["model=tiny", "dataset.num_prompts=120", "plugins=[odd_parts]", "tracker=off"])
    return {**copy.deepcopy(job.plain), **nodes}


def problems(function: Callable[..., Any], *arguments: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        function(*arguments)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Odd:\n    def f(self)\n", "SyntaxError: expected ':' ({file}, line 2)"),
        ("x = 1\nclass Odd(Bass): pass\n", "NameError: name 'Bass' is not defined ({file}, line 2)"),
        ("raise RuntimeError('no')\n", "RuntimeError: no ({file}, line 1)"),
        ("class Even: pass\n", "module 'odd_parts' has no attribute 'Odd'"),
    ],
)
def test_a_module_that_cannot_be_imported(write: Write, tmp_path: Path, text: str, words: str) -> None:
    told = problems(build, write(text), "selector", ["odd_parts"])
    file = tmp_path / "odd_parts.py"
    assert told == [f"selector._target_=odd_parts.Odd cannot be imported: {words.format(file=file)}"]


@pytest.mark.parametrize("text", ["class Odd: pass\n", "class Odd:\n    signals = property(lambda self: ())\n"])
def test_a_run_has_a_name_whatever_its_parts_lack(write: Write, text: str) -> None:
    node = write(text)
    assert re.fullmatch(r"tiny-custom-custom-\d+pct-s0-[0-9a-f]{8}", run_id(plain(selector=node, dataset=node)))


BARE = "class Odd: pass\n"
GRADER = """
class Odd:
    version, columns = "1", ()
    def problem_of(self, reference): return ""
    def grade_all(self, references): return []
    def same(self, one, other): return one == other
    def normal_form(self, answer): return answer
    close = None
"""
SELECTOR = """
class Odd:
    signals, keeps_all, columns = "confidence", 0, "level"
    def sort_key(self, columns, more): return columns["id"]
"""


def lacks(key: str, *names: str) -> list[str]:
    return [f"{key}: odd_parts.Odd has no `{name}`" for name in names]


@pytest.mark.parametrize(
    ("group", "key", "names"),
    [
        ("selector", "selector", ("signals", "keeps_all", "sort_key")),
        ("grader", "grader", ("version", "columns", "problem_of", "grade_all", "same", "normal_form", "close")),
        ("dataset", "dataset", ("load",)),
        ("signal", "signal.mine", ("stage", "unit", "rank", "columns", "stored", "identity", "rows")),
    ],
)
def test_all_that_a_part_lacks_is_told_at_once(write: Write, group: str, key: str, names: tuple[str, ...]) -> None:
    node = write(BARE)
    config = plain(**{group: {"mine": node} if group == "signal" else node})
    told = [problem.partition("; give it")[0] for problem in problems(check, config)]
    assert [problem for problem in told if problem.startswith(f"{key}: ")] == lacks(key, *names)


def test_members_of_the_wrong_kind_are_told(write: Write) -> None:
    node = write(SELECTOR)
    told = problems(check, plain(selector=node))
    assert told == [
        "selector: odd_parts.Odd `signals` = 'confidence'; it must be a tuple of names, for example signals = "
        '("confidence",)',
        "selector: odd_parts.Odd `keeps_all` = 0; it must be True or False",
        "selector: odd_parts.Odd `sort_key` takes (columns, more); it must be a method sort_key(columns)",
        "selector: odd_parts.Odd `columns` = 'level'; it must be a tuple of names, for example columns = "
        '("confidence", "level")',
    ]
    node = write(GRADER)
    told = problems(check, plain(grader=node))
    assert [problem.split("; ")[0] for problem in told] == [
        "grader: odd_parts.Odd `grade_all` takes (references)",
        "grader: odd_parts.Odd `close` = None",
    ]


def test_a_tolerance_for_a_grader_that_has_none_is_told_before_anything_is_generated(write: Write) -> None:
    node = write(
        GRADER.replace("references)", "references, completions)").replace("close = None", "def close(self): pass")
    )
    made = plain(grader=node)
    made["eval"]["arithmetic"]["relative_tolerance"] = 0.01
    assert problems(check, made) == [
        "eval.arithmetic.relative_tolerance=0.01: odd_parts.Odd has no tolerance; give its __init__ an argument "
        "relative_tolerance, or leave eval.arithmetic.relative_tolerance=null"
    ]


def test_grading_a_file_checks_the_grader_too(write: Write, tmp_path: Path) -> None:
    write(BARE)
    file = tmp_path / "rows.jsonl"
    file.write_text('{"answer": "1", "completion": "1"}\n')
    (tmp_path / "conf/grader").mkdir(parents=True)
    (tmp_path / "conf/grader/odd.yaml").write_text("_target_: odd_parts.Odd\nname: odd\n")
    words = ("plugins=[odd_parts]", "grader=odd")
    options = Options(file, "answer", "completion", None, None, str(tmp_path / "conf"), words)
    told = problems(grade_file, options)
    assert len(told) == 7 and told[0].startswith("grader: odd_parts.Odd has no `version`")


def request_of(rank: str, record: Any, folder: Path) -> Request:
    launch = load(plain()).launch
    files = {"work": folder, "rows": folder / "rows", "journal": folder / "journal"}
    return Request("mine", rank, kind_of(record), plain_of(record), **files, attempt=1, asked=0.0, launch=launch)


def test_a_rank_function_gets_the_parents_request_and_must_return_a_dict(write: Write, tmp_path: Path) -> None:
    write("def told(request, context): return {'request': request}\ndef silent(request, context): pass\n")
    asked = SignalRequest(tmp_path, "float32", tmp_path / "store", 3, {"_target_": "odd_parts.Odd"})
    request = Request.read(request_of("odd_parts.told", asked, tmp_path).write())
    assert request.call(None) == {"request": asked}
    (told,) = problems(request_of("odd_parts.silent", asked, tmp_path).call, None)
    assert told.startswith("odd_parts.silent: its rank function returned None, not a dict")


def test_a_rank_may_say_nothing_of_its_memory(tmp_path: Path) -> None:
    assert remember(tmp_path, [{}])["peak_memory_gib"] == 0.0


def signal(**members: Any) -> Any:
    usual = {"stage": "mine", "columns": ("mine",), "rank": "ufo_rl.signals.confidence.rank.measure"}
    return SimpleNamespace(**{**usual, **members})


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"stage": "eval"}, "its stage eval is one that every run has of its own; give it another name"),
        ({"stage": "score"}, "its stage score is one that signal.confidence has already; give it another name"),
        ({"columns": ("mine", "kept")}, "its column kept is one that every run has of its own; give it another name"),
        ({"columns": ("tokens",)}, "its column tokens is one that signal.confidence has already; give it another name"),
        (
            {"rank": "ufo_rl.signals.confidence.rank.mesure"},
            "its rank function ufo_rl.signals.confidence.rank.mesure is not there: {file} has no mesure; "
            'did you mean "measure"?',
        ),
        ({"rank": "odd_parts.rank.f"}, "its rank function odd_parts.rank.f cannot be imported: ModuleNotFoundError: "),
        ({"rank": "odd_ranks.f"}, "its rank function odd_ranks.f is not there: no module odd_ranks"),
    ],
)
def test_what_signals_may_not_share_and_ranks_that_are_not_there(members: dict[str, Any], words: str) -> None:
    confidence = signal(stage="score", columns=("confidence", "tokens"))
    check_signals({"confidence": confidence, "mine": signal()})
    (told,) = problems(check_signals, {"confidence": confidence, "mine": signal(**members)})
    spec = importlib.util.find_spec("ufo_rl.signals.confidence.rank")
    assert spec is not None and told.startswith(f"signal.mine: {words.format(file=spec.origin)}")


def test_values_that_are_not_what_a_signal_declares() -> None:
    mine = signal(columns=("mine", "more"))
    two: Any = np.zeros(2)
    check_values("mine", mine, {"mine": two, "more": two}, 2)
    assert problems(check_values, "mine", mine, {"mine": two, "other": np.zeros(3)}, 2) == [
        "signal.mine: declares more in `columns`, which its values do not have; they have mine, other",
        "signal.mine: has values of other, which its `columns` do not declare; add them there",
        "signal.mine: its column other has the shape (3,) for 2 prompts; return one value each",
    ]


@pytest.mark.parametrize("reduction", ["mean", "sum", "min"])
def test_confidence_declares_what_its_values_have(reduction: str) -> None:
    node = {**plain()["signal"]["confidence"], "reduction": reduction}
    part, table = build(node, "signal.confidence"), defaultdict(lambda: pa.chunked_array([[-1.0, -2.0]]))
    check_values("confidence", part, part.values(table), 2)


ODD: Any = 3
ONE = Prompt("x", "1+1=?", "2")


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (None, "its load returned None, not a pool"),
        (Pool(ODD), "the prompts of its pool are a value of the type int"),
        (Pool([ONE, ODD]), "1 of 2 prompts are no ufo_rl.records.Prompt, the first is a value of the type int"),
        (Pool([Prompt("x", "1+1=?", ODD)]), "1 of 1 prompts: answer is a value of the type int, not a str, first 'x'"),
        (Pool([Prompt("", "1+1=?", "2")]), "1 of 1 prompts: id is empty, first ''"),
        (
            Pool([replace(ONE, columns={"t": {ODD}})]),
            "1 of 1 prompts: JSON cannot hold the column t: Object of type set",
        ),
        (
            Pool([ONE, replace(ONE, id="y"), ONE, ONE]),
            "3 prompts share the id 'x' (2 of 4 repeat one); use ufo_rl.records.",
        ),
    ],
)
def test_what_is_no_pool(pool: Any, words: str) -> None:
    check_pool(Pool([ONE, replace(ONE, id="y", columns={"t": [1, None]})]), "dataset")
    (told,) = problems(check_pool, pool, "dataset")
    assert told.startswith(f"dataset: {words}")


def test_the_pool_of_a_run_is_looked_at(write: Write) -> None:
    node = write("class Odd:\n    def load(self, data): return []\n")
    told = "dataset: its load returned a value of the type list, not a pool; return ufo_rl.records.Pool(prompts)"
    assert told in problems(check, plain(dataset=node))


@pytest.mark.parametrize(
    ("told", "problems_of_it"),
    [
        ("size=3 must be even", ["dataset.size=3 must be even"]),
        ("size=3 must be even\\n\\nand never odd", ["dataset.size=3 must be even", "dataset: and never odd"]),
        ("", ["dataset: ValueError"]),
    ],
)
def test_what_a_part_says_of_its_arguments_is_told_by_key(write: Write, told: str, problems_of_it: list[str]) -> None:
    node = write(f"class Odd:\n    def __init__(self): raise ValueError('{told}')\n")
    assert problems(build, node, "dataset", ["odd_parts"]) == problems_of_it


def test_a_refused_tolerance_is_told_by_the_key_of_the_benchmark(write: Write) -> None:
    node = write(
        GRADER.replace("references)", "references, completions)").replace("close = None", "def close(self): pass")
        + "    def __init__(self, relative_tolerance=None):\n"
        + "        if relative_tolerance: raise ValueError('relative_tolerance=5 must be < 1')\n"
    )
    made = plain(grader=node)
    made["eval"]["arithmetic"]["relative_tolerance"] = 5.0
    assert problems(check, made) == ["eval.arithmetic.relative_tolerance=5 must be < 1"]
