"""The open seams of the configuration: parts of the user's choice, named by `_target_`."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from ufo_rl.config.argument_types import type_problems
from ufo_rl.config.messages import sentences
from ufo_rl.errors import UserError, nearest

log = logging.getLogger(__name__)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
ARGUMENT = re.compile(r"[\w.]+(=|: )")  # how a part's complaint about one of its arguments begins
LABEL = "name"  # stands beside _target_ for tables and run names; no argument of the part


def part_class(node: Mapping[str, Any], key: str, plugins: Sequence[str] = ()) -> Any:
    """The class or function that `_target_` names; UserError if it is not there or not allowed."""
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise UserError(f"{key}._target_={target} must name a class or function, for example ufo_rl.selector.ufo.Ufo")
    package = target.split(".")[0]
    if package not in ("ufo_rl", *plugins):
        raise UserError(f"{key}._target_={target} is outside ufo_rl; allow its package with plugins=[{package}]")
    find_from_here()
    module_name, name = target.rsplit(".", 1)
    try:
        part = getattr(_imported(module_name), name)
    except (ImportError, AttributeError) as error:
        hidden = f"; {found}" if (found := hidden_package(package)) else ""
        raise UserError(f"{key}._target_={target} cannot be imported: {error}{hidden}") from error
    _tell_hidden(package)
    if not callable(part):
        raise UserError(f"{key}._target_={target} is no class or function")
    return part


def takes(node: Mapping[str, Any], key: str, plugins: Sequence[str], argument: str) -> bool:
    """Whether the part that `node` describes has an argument of that name, or takes any."""
    parameters = inspect.signature(part_class(node, key, plugins)).parameters
    found = parameters.get(argument)
    if found is not None:
        return found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)
    return any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def _imported(name: str) -> ModuleType:
    """The module; ImportError, in words that say where, whatever stopped it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        file, line, words = where.filename, where.lineno, str(error)
        if isinstance(error, SyntaxError) and error.filename:  # the frame is the importer's
            file, line, words = error.filename, error.lineno, error.msg
        raise ImportError(f"{type(error).__name__}: {words} ({file}, line {line})") from error


def find_from_here() -> None:
    """Packages beside the command are found, as by `python -m`. Last in line: a folder named datasets shadows nothing."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)


def hidden_package(package: str) -> str:
    """That the folder of the start has a package of this name and another one is imported in its place; "" where not."""
    own = next((path for path in (Path(package), Path(f"{package}.py")) if path.exists()), None)
    found = sys.modules.get(package)
    origin = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", [])), None)
    if own is None or found is None or (origin is not None and Path(origin).resolve().is_relative_to(own.resolve())):
        return ""
    return (
        f"{package} is {origin or 'part of Python'}, which hides {own.absolute()}: rename yours, or uninstall the other"
    )


@functools.cache
def _tell_hidden(package: str) -> None:
    if package != "ufo_rl" and (found := hidden_package(package)):
        log.warning("plugins=[%s]: %s", package, found)


def build(node: Mapping[str, Any], key: str, plugins: Sequence[str] = (), **extra: Any) -> Any:
    """The part that `node` describes: its `_target_` class called with its other keys and `extra`. A function is not
    called: it is given back, with these keys as arguments where there are any.

    Only parts of ufo_rl and of the packages in `plugins` are built: a configuration file must not be able to call
    anything else. Raises UserError naming the key, the wrong argument and the nearest right one; a ValueError of the part's
    own is told line by line, `argument=value must ...` with the argument's key.
    """
    part = part_class(node, key, plugins)
    arguments = {k: v for k, v in node.items() if k not in ("_target_", LABEL)}
    signature = inspect.signature(part)
    names = [n for n, p in signature.parameters.items() if n not in extra and p.kind not in VARIADIC]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    here = f"keys here: {', '.join(names)}" if names else f"{node['_target_']} takes none"
    unknown = [
        f"{key}.{k}: unknown key{nearest(k, names)} ({here})" for k in arguments if k not in names and not takes_any
    ]
    if unknown:
        raise UserError(*unknown)
    if not inspect.isclass(part):
        return functools.partial(part, **arguments, **extra) if arguments or extra else part
    try:
        signature.bind(**arguments, **extra)
    except TypeError as error:
        lacking = [
            n for n, p in signature.parameters.items() if n in names and n not in arguments and p.default is p.empty
        ]
        cure = (
            f"; set {' and '.join(f'{key}.{n}=VALUE' for n in lacking)}, with a + before it where it is new"
            if lacking
            else ""
        )
        raise UserError(f"{key}: {error}{cure} ({node['_target_']}{signature})") from error
    if wrong := type_problems(part, arguments, key):
        raise UserError(*wrong)
    try:
        return part(**arguments, **extra)
    except ValidationError as error:
        raise UserError(*sentences(error, part, key)) from error
    except (ValueError, TypeError) as error:
        raise UserError(*_own_words(error, key)) from error


def _own_words(error: Exception, key: str) -> list[str]:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return [f"{key}.{line}" if ARGUMENT.match(line) else f"{key}: {line}" for line in lines]
