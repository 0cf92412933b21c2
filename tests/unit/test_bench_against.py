"""bench/against.py: when two demos are the same."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location("against", Path(__file__).parents[2] / "bench/against.py")
assert SPEC is not None and SPEC.loader is not None
against = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(against)
DEMO: dict[str, dict[str, Any]] = {
    "ufo": {"ids": ["a", "b"], "base": 0.25, "final": 0.5, "train_tokens": 1_000_000, "spearman": 0.8},
    "full": {"ids": ["a", "b", "c"], "base": 0.25, "final": 0.5, "train_tokens": 7, "spearman": None},
}


@pytest.mark.parametrize(
    ("arm", "change", "difference"),
    [
        ("ufo", {"final": 0.5 + 9e-7}, None),
        ("ufo", {"final": 0.50001}, "ufo final: 0.5 and 0.50001"),
        ("ufo", {"train_tokens": 1_000_001}, "ufo train_tokens: 1000000 and 1000001"),
        ("ufo", {"ids": ["b", "a"]}, "ufo ids: 2 and 2, 2 in both"),
        ("ufo", {"ids": ["a", "c"]}, "ufo ids: 2 and 2, 1 in both"),
        ("full", {"spearman": 0.0}, "full spearman: None and 0.0"),
        ("band", {"ids": []}, "band: only after"),
    ],
)
def test_what_differs_is_named(arm: str, change: dict[str, Any], difference: str | None) -> None:
    after = copy.deepcopy(DEMO)
    after.setdefault(arm, {}).update(change)
    found = against.sameness(DEMO, after)
    assert found == {"same": difference is None, "differences": [] if difference is None else [difference]}


def test_nothing_is_not_the_same() -> None:
    assert not against.sameness({}, {})["same"]
