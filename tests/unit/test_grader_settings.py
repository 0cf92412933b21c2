"""`grader.markers` and `grader.ordered`: what they do, what is refused, and what they do to names and stores of runs."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest

from ufo_rl.config.compose import compose_jobs
from ufo_rl.config.contract import built
from ufo_rl.config.identity import run_id
from ufo_rl.config.load import load
from ufo_rl.errors import UserError
from ufo_rl.grader import grader_id
from ufo_rl.grader.math import MathGrader


@functools.cache
def composed(*overrides: str) -> dict[str, Any]:
    (job,) = compose_jobs(list(overrides))
    return job.plain


def made(**settings: Any) -> MathGrader:
    return MathGrader(time_limit_s=10, max_chars=2000, **settings)


def test_markers_add_to_the_built_in_ones_and_the_last_of_all_decides() -> None:
    grader = made(markers=[r"^Wynik: (.+)$", "(?i)vastaus on"])
    assert grader.grade("18", "Wynik: 18\nto wszystko").correct
    assert grader.grade("18", "VASTAUS ON $18$, koska 9 * 2").correct
    assert grader.grade("18", r"\boxed{20}" + "\nWynik: 18").correct
    assert grader.grade("20", "Wynik: 18\n" + r"\boxed{20}").correct
    assert grader.grade("18", "Wynik: ...\nThe answer is 18.").correct
    assert grader.grade("3/4", r"\boxed{3/4}").correct
    assert not grader.grade("18", "wynik: 18").correct and not made().grade("18", "Wynik: 18").correct
    inside = made(markers=[r"(\d+)$"])
    assert not inside.grade("4", r"\boxed{3/4} x").correct  # an answer is not searched for them
    grader.close()


def test_a_marker_that_never_ends_is_a_timeout() -> None:
    graded = made(markers=[r"(?:a|a)+$"]).grade("7", r"\boxed{7} " + "a" * 80 + "b")
    assert (graded.correct, graded.reason) == (False, "timeout: grader.markers.0 needs more than 1 s of CPU time")


def test_bad_markers_and_order_are_told_at_once() -> None:
    node = {"_target_": "ufo_rl.grader.math.MathGrader", "name": "math", "time_limit_s": 5.0, "max_chars": 2000}
    with pytest.raises(UserError) as caught:
        built({**node, "markers": ["(a)(b)", "(x", "y*", 7], "ordered": "maybe"}, "grader", [], "grader")
    keys = ["grader.ordered", *(f"grader.markers.{place}" for place in range(4))]
    assert [problem.split("=")[0] for problem in caught.value.problems] == keys
    assert "write (?:...) for the others" in caught.value.problems[1]
    with pytest.raises(UserError, match="markers=Wynik: must be a list of regular expressions"):
        built({**node, "markers": "Wynik:"}, "grader", [], "grader")


@pytest.mark.parametrize(
    ("gold", "answer", "is_right", "is_right_in_order"),
    [
        ("22, 57", "22, 57", True, True),
        ("22, 57", "57, 22", True, False),
        ("22, 57", r"57 \text{ and } 22", True, False),
        (r"x+1, \sqrt{8}", r"2\sqrt{2}, 1+x", True, False),
        (r"x+1, \sqrt{8}", r"1+x, 2\sqrt{2}", True, True),
        ("x=1, y=2", "x=2, y=1", False, False),
        (r"\{22, 57\}", "57, 22", True, True),
        (r"\{22, 57\}", r"\{57, 22\}", True, True),
        (r"\pm 2", "-2, 2", True, True),
        ("(22, 57)", "(57, 22)", False, False),
        ("22, 57", "22, 57, 22", True, False),
        (r"\int_0^1 x dx, 3", r"\frac{1}{2}, 3", True, True),
        (r"\int_0^1 x dx, 3", r"3, \frac{1}{2}", True, False),
        ("57", "57", True, True),
    ],
)
def test_an_ordered_list_is_compared_in_order(
    graders: tuple[MathGrader, MathGrader], gold: str, answer: str, is_right: bool, is_right_in_order: bool
) -> None:
    found = [grader.grade(gold, rf"\boxed{{{answer}}}").correct for grader in graders]
    assert found == [is_right, is_right_in_order]
    assert [grader.same(gold, answer) for grader in graders] == found


@pytest.fixture(scope="module")
def graders() -> Any:
    pair = made(), made(ordered=True)
    yield pair
    for one in pair:
        one.close()


def test_one_benchmark_may_have_an_order_of_its_own() -> None:
    plain = composed("eval=[math500,gsm8k]", "+grader@eval.math500.grader=math", "eval.math500.grader.ordered=true")
    config = load(copy.deepcopy(plain))
    own = config.eval["math500"].grader
    assert own is not None and own["ordered"] is True and config.grader["ordered"] is False
    assert run_id(plain) != run_id(composed("eval=[math500,gsm8k]", "+grader@eval.math500.grader=math"))


def test_names_and_stores_are_as_before_where_nothing_is_set() -> None:
    plain = copy.deepcopy(composed())
    name, node = run_id(plain), dict(plain["grader"])
    grader = built(node, "grader", [], "grader")
    assert grader_id(node, grader) == [grader.version, {"time_limit_s": 5.0, "max_chars": 2000}]
    for key in ("markers", "ordered"):
        del plain["grader"][key]
    assert run_id(plain) == name
    for key, value in (("markers", ["Wynik: (.+)"]), ("ordered", True)):
        changed = {**node, key: value}
        assert grader_id(changed, built(changed, "grader", [], "grader")) != grader_id(node, grader)
        assert run_id({**plain, "grader": changed}) != name
