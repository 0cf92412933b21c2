"""Signals beside each other: stages and columns of their own, and rank functions that exist. Known without torch."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ufo_rl.config.build import find_from_here
from ufo_rl.errors import UserError, nearest
from ufo_rl.selector.columns import TEXTS
from ufo_rl.signals.protocol import Signal

STAGES = ("run", "base_eval", "train", "eval", "total", "doctor")  # of the journal, that are no signal's
COLUMNS = ("id", *TEXTS, "rank", "kept", "fuzziness")  # of scores.parquet, that are no signal's


def check_signals(signals: Mapping[str, Signal]) -> None:
    """Raises one UserError with every clash of stages or columns, and every rank function that is not there."""
    problems: list[str] = []
    stages: dict[str, str] = dict.fromkeys(STAGES, "")
    columns: dict[str, str] = dict.fromkeys(COLUMNS, "")
    for name, signal in signals.items():
        problems += _taken(name, "stage", [signal.stage], stages)
        problems += _taken(name, "column", signal.columns, columns)
        if problem := _problem_of_rank(signal.rank):
            problems.append(f"signal.{name}: its rank function {signal.rank} {problem}")
    if problems:
        raise UserError(*problems)


def _taken(name: str, what: str, words: Iterable[str], owners: dict[str, str]) -> Iterator[str]:
    """What is wrong with the words of one signal, which become its own."""
    for word in words:
        if word in owners:
            whose = f"signal.{owners[word]} has already" if owners[word] else "every run has of its own"
            yield f"signal.{name}: its {what} {word} is one that {whose}; give it another name"
        owners.setdefault(word, name)


def _problem_of_rank(path: str) -> str:
    """Why the function cannot be there, "" if it is or nobody can say. Packages around its module are imported; the module
    is only read, as what it imports is heavy."""
    module, _, name = path.rpartition(".")
    find_from_here()
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:  # a module that was not found but made
        return ""
    except Exception as error:  # a package of the user's: anything may happen
        return f"cannot be imported: {type(error).__name__}: {error}"
    if spec is None:
        return f"is not there: no module {module}"
    if not spec.origin or not spec.origin.endswith(".py"):
        return ""
    try:
        names = set(_names(ast.parse(Path(spec.origin).read_bytes()).body))
    except SyntaxError as error:
        return f"cannot be imported: SyntaxError: {error.msg} ({spec.origin}, line {error.lineno})"
    if names & {name, "*", "__getattr__"}:
        return ""
    return f"is not there: {spec.origin} has no {name}{nearest(name, names)}"


def _names(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that a module binds at its top level, below `if` and `try` too; "*" where it imports all of another."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        else:
            yield from _names(ast.iter_child_nodes(node))


def check_values(name: str, signal: Signal, values: Mapping[str, np.ndarray], num_prompts: int) -> None:
    """Raises UserError where what a signal made of its stored rows is not what it declares, one value a prompt."""
    problems = []
    if missing := [column for column in signal.columns if column not in values]:
        problems.append(f"declares {', '.join(missing)} in `columns`, which its values do not have; they have ")
        problems[-1] += ", ".join(map(str, values)) or "none"
    if unknown := [str(column) for column in values if column not in signal.columns]:
        problems.append(f"has values of {', '.join(unknown)}, which its `columns` do not declare; add them there")
    for column, some in values.items():
        if np.shape(some)[:1] != (num_prompts,):
            shape = np.shape(some)
            problems.append(
                f"its column {column} has the shape {shape} for {num_prompts} prompts; return one value each"
            )
    if problems:
        raise UserError(*(f"signal.{name}: {problem}" for problem in problems))
