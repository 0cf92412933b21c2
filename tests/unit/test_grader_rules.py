"""Each rule and each pattern of the grader alone, on its own example; none is without one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

import pytest

import ufo_rl.grader.math
from ufo_rl.grader.math.text.normal import RULES
from ufo_rl.grader.math.text.rewrite import Rewrite, rule

HOME = "ufo_rl.grader.math"
# Folders where a pattern without an example is an error.
FOLDERS = ("text", "words")
Example = tuple[re.Pattern[str], str, str | None]


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(ufo_rl.grader.math.__path__, f"{HOME}.")
    return [importlib.import_module(one.name) for one in found if not one.ispkg]


def short(module: ModuleType) -> str:
    return module.__name__.removeprefix(f"{HOME}.")


def rules_of(module: ModuleType) -> Iterator[tuple[str, Rewrite]]:
    """The rules that a module holds by name or in a table, each with where it stands."""
    for name, value in vars(module).items():
        if isinstance(value, Rewrite):
            yield f"{short(module)}.{name}", value
        elif isinstance(value, tuple):
            yield from ((f"{short(module)}.{name}[{at}]", one) for at, one in enumerate(value) if type(one) is Rewrite)


def examples_of(module: ModuleType) -> tuple[Example, ...]:
    return getattr(module, "EXAMPLES", ())


# One rule may stand in a table of a part and in the table of the whole: it is tested where it is first found.
RULE_PLACES = {one: place for module in reversed(modules()) for place, one in rules_of(module)}
PATTERNS = [
    pytest.param(*example, id=f"{short(module)}-{at}")
    for module in modules()
    for at, example in enumerate(examples_of(module))
]
# Patterns of which an example shows what they find, wherever that stands.
SHOWN = {pattern for module in modules() for pattern, _, found in examples_of(module) if found is not None}


def fault(one: Rewrite) -> str:
    """What is wrong with a rule's example, "" if nothing is."""
    if not one.before:
        return "no example"
    if one.before == one.after:
        return "an example that does not change"
    return "" if one.apply(one.before) == one.after else f"{one.apply(one.before)!r} in place of {one.after!r}"


@pytest.mark.parametrize("one", [pytest.param(one, id=place) for one, place in RULE_PLACES.items()])
def test_a_rule_alone_turns_its_example_into_the_other(one: Rewrite) -> None:
    assert fault(one) == ""


def test_a_rule_without_an_example_that_changes_is_found_out() -> None:
    assert fault(rule("a", "b", "", "")) == "no example"
    assert fault(rule("a", "b", "c", "c")) == "an example that does not change"
    assert fault(rule("a", "b", "ca", "ca.")) == "'cb' in place of 'ca.'"


def test_the_rules_are_many_and_each_is_another() -> None:
    assert len(RULES) == len(set(one.pattern for one in RULES)) == 63
    assert set(RULES) < RULE_PLACES.keys()


@pytest.mark.parametrize(("pattern", "text", "found"), PATTERNS)
def test_a_pattern_finds_in_its_example_what_it_should(pattern: re.Pattern[str], text: str, found: str | None) -> None:
    match = pattern.search(text)
    assert (match and match[0]) == found


@pytest.mark.parametrize("module", [one for one in modules() if short(one).split(".")[0] in FOLDERS], ids=short)
def test_every_pattern_has_an_example(module: ModuleType) -> None:
    own = {name: value for name, value in vars(module).items() if isinstance(value, re.Pattern)}
    assert [name for name, value in own.items() if value not in SHOWN] == []


def test_no_two_modules_differ_by_an_ending_alone() -> None:
    names = sorted(short(module).rpartition(".")[2] for module in modules())
    assert [(one, other) for one, other in pairwise(names) if other.startswith(one) and len(other) - len(one) < 3] == []
