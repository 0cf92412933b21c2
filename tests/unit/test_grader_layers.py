"""The folders of the grader know only those below them, and no module imports itself by way of others."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ufo_rl.grader.math

HOME = Path(ufo_rl.grader.math.__file__).parent
PACKAGE = "ufo_rl.grader.math."
LAYERS = ("text", "formula", "words", "shapes", "equivalence nearly_equal", "process", "answer", "trl_reward")
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
PATHS = sorted(path for path in HOME.rglob("*.py") if path.name != "__init__.py")
MAX_LINES, MAX_FUNCTION_LINES = 300, 50


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HOME).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """Modules of the grader that a module imports anywhere: in functions and for types, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(PACKAGE):
            inside = node.module.removeprefix(PACKAGE.rstrip(".")).lstrip(".")
            names = {".".join(filter(None, (inside, alias.name))) for alias in node.names}
            found |= {name if name in NAMES else inside for name in names}
    return found


NAMES = {name_of(path) for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_a_module_knows_only_its_layer_and_those_below(path: Path) -> None:
    own = LEVEL[name_of(path).split(".")[0]]
    assert [name for name in imported(path) if LEVEL[name.split(".")[0]] > own] == []


def test_no_circle() -> None:
    assert set(TopologicalSorter({name_of(path): imported(path) for path in PATHS}).static_order()) == NAMES


def test_the_only_outside_name_is_the_records() -> None:
    outside = {
        node.module
        for path in PATHS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ufo_rl")
    }
    assert {name for name in outside if not name.startswith(PACKAGE)} == {"ufo_rl.records"}


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_files_and_functions_fit_a_reader(path: Path) -> None:
    text = path.read_text()
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert text.count("\n") <= MAX_LINES and long == []
