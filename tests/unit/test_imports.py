"""The house, read from the source: rooms with levels, no circle, nothing heavy where it does not belong, files that one can
read."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import ufo_rl

PACKAGE = Path(ufo_rl.__file__).parent
# A room imports rooms of lower levels only; counted are imports in functions and under TYPE_CHECKING too.
LEVELS = (
    ("records", "errors", "stats"),
    ("files", "grader"),
    ("config", "dataset", "selector", "tracking"),
    ("model", "launch", "reward", "report", "lab"),
    ("signals", "evaluation"),
    ("training",),
    ("experiment",),
    ("commands", "cluster"),
    ("run",),
    ("cli",),
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Heavy or far-reaching packages, and the rooms that may import them at all.
MAY_IMPORT = {
    "torch": {"model", "signals", "training", "launch", "lab", "commands"},
    "transformers": {"model", "signals", "training", "launch", "lab"},
    "trl": {"training"},
    "deepspeed": {"training"},
    "vllm": {"model"},
    "peft": {"model", "training"},
    "wandb": {"tracking"},
    "submitit": {"cluster"},
    "hydra": {"run", "config", "experiment"},
    "omegaconf": {"run", "config", "experiment", "commands"},
    "matplotlib": {"report"},
    "datasets": {"dataset", "training"},
    "math_verify": {"grader"},
}
MATHS = "ufo_rl.grader.math"
MAX_ENTRIES, MAX_LINES, MAX_FUNCTION = 24, 300, 50
ENDINGS = re.compile(r"(?:ations?|ators?|ions?|ings?|ments?|ers?|ors?|ed|es|s|e)$")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def imported(module: str) -> frozenset[str]:
    """Every name that a module imports, wherever in its text."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative imports hide where they lead"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def ours(module: str) -> set[str]:
    """The modules of ours that a module imports; its own packages around it do not count."""
    return {n for n in imported(module) if n in MODULES and n != module and not module.startswith(f"{n}.")}


def circles(graph: dict[str, set[str]]) -> list[str]:
    """What can be reached from itself."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            if (one := waiting.pop()) not in seen:
                seen.add(one)
                waiting += graph[one]
        return seen

    return [name for name in graph if name in reached(name)]


def test_every_room_has_a_level_and_there_are_few() -> None:
    rooms = {room_of(module) for module in MODULES} - {""}
    assert rooms == set(LEVEL_OF)
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MAX_ENTRIES, entries


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_lower_rooms_only(module: str) -> None:
    for other in ours(module):
        if (room := room_of(other)) not in ("", room_of(module)):
            assert LEVEL_OF[room] < LEVEL_OF[room_of(module)], f"{module} imports {other}"


def test_no_circle_of_modules() -> None:
    assert circles({module: ours(module) for module in MODULES}) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]


def test_no_two_names_differ_by_an_ending() -> None:
    """Folders and files of the package; commands are excepted: their names are the words that users type."""
    stems: dict[str, set[str]] = {}
    for module in MODULES:
        last = module.rpartition(".")[2]
        if not re.fullmatch(r"ufo_rl\.commands\.\w+", module):
            stems.setdefault(ENDINGS.sub("", last), set()).add(last)
    assert {stem: names for stem, names in stems.items() if len(names) > 1} == {}


def test_no_two_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_mathematics_stays_in_its_grader() -> None:
    """Who else knows of it: where answers stand in a \\boxed{}, and the child processes of an audited grader."""
    users = {
        module: sorted(name for name in ours(module) if name.startswith(MATHS))
        for module in MODULES
        if room_of(module) != "grader"
    }
    assert {module: names for module, names in users.items() if names} == {
        "ufo_rl.commands.grade.flow": [f"{MATHS}.process.verdict", f"{MATHS}.process.verifier"],
        "ufo_rl.commands.grade.options": [f"{MATHS}.process.other"],
        "ufo_rl.commands.grade.tally": [f"{MATHS}.process.verdict"],
        "ufo_rl.dataset.rows": [f"{MATHS}.text.extract"],
    }


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_can_be_read_at_a_sitting(module: str) -> None:
    text = MODULES[module].read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MAX_FUNCTION, f"{module}.{node.name} has {lines} lines"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_stay_where_they_belong(module: str) -> None:
    for name in imported(module):
        package = name.split(".")[0]
        assert not name.startswith("hydra._internal"), f"{module} imports {name}, which is no one's to use"
        if package in MAY_IMPORT:
            assert room_of(module) in MAY_IMPORT[package], f"{module} imports {package}"


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_tests_of_units_start_no_program(path: Path) -> None:
    """Those that do stand in tests/smoke. (The grader's own children are part of what it is.)"""
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & {"subprocess", "multiprocessing"}
    assert not any(node.arg in ("ufo", "small_run") for node in ast.walk(tree) if isinstance(node, ast.arg)), (
        "fixtures that run ufo-rl"
    )
