"""Samples of another grader: the completions are judged again, and only those that were drawn in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ufo_rl.files.store import KEY, Store
from ufo_rl.grader.math import MathGrader
from ufo_rl.records import Graded, Reference
from ufo_rl.signals.pass_rate.regraded import others, take_over

DRAWN = {"version": 3, "model": "m", "seed": 0}


def store_of(root: Path, grader: int, completions: Sequence[str] = (), **changed: Any) -> Store:
    store = Store.of(root, "pass_rate", {**DRAWN, **changed, "grader": [grader]})
    store.create()
    rows = enumerate(completions)
    store.publish([{KEY: f"p-{k}", "id": "p", "sample": k, "correct": False, "completion": text} for k, text in rows])
    return store


def references(count: int, answer: str = "5") -> dict[str, Reference]:
    return {f"p-{k}": Reference(answer) for k in range(count)}


def test_stored_completions_are_graded_again(tmp_path: Path) -> None:
    old = store_of(tmp_path, 5, [r"\boxed{5}", r"\boxed{6}", "nothing", r"\boxed{5}"])
    new, grader = store_of(tmp_path, 6), MathGrader(time_limit_s=5, max_chars=100)
    taken = take_over(new, old, references(3), grader, "")
    grader.close()
    found = new.read(None, ("correct", "completion", "sample")).to_pylist()
    assert [row["correct"] for row in sorted(found, key=lambda row: row["sample"])] == [True, False, False]
    assert taken == {"p-0", "p-1", "p-2"} == {row[KEY] for row in found}  # what nobody asked for stays there


def test_what_the_prompt_begins_is_graded_in_front(tmp_path: Path) -> None:
    old, grader = store_of(tmp_path, 5, ["5</answer>"]), MathGrader(time_limit_s=5, max_chars=100)
    for begun, is_right in (("", False), ("<answer>", True)):
        new = store_of(tmp_path / str(is_right), 6)
        take_over(new, old, references(1), grader, begun)
        assert new.read(None, ("correct",))["correct"].to_pylist() == [is_right]
    grader.close()


def test_only_what_was_drawn_in_the_same_way_is_taken(tmp_path: Path) -> None:
    new, old = store_of(tmp_path, 6), store_of(tmp_path, 5)
    store_of(tmp_path, 5, seed=1)
    store_of(tmp_path, 5, begun="<think>")
    (tmp_path / "pass_rate-broken").mkdir()
    (tmp_path / "pass_rate-broken/identity.json").write_text("{")
    assert [one.folder for one in others(new)] == [old.folder]


class Stalls:
    """A grader that comes to no verdict on the second of its completions."""

    def grade_all(self, references: Sequence[Reference], completions: Sequence[str]) -> list[Graded]:
        reasons = ("stalled: a loaded machine" if place == 1 else "" for place in range(len(completions)))
        return [Graded(not reason, "", "none", reason) for reason in reasons]


def test_what_stalls_is_left_to_be_sampled(tmp_path: Path) -> None:
    old, new = store_of(tmp_path, 5, ["a", "b", "c"]), store_of(tmp_path, 6)
    assert take_over(new, old, references(3), Stalls(), "") == {"p-0", "p-2"} == new.keys()  # type: ignore[arg-type]
