"""The open seams of the configuration: parts of the user's choice, named by `_target_`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ufo_rl.config.sentences import sentences
from ufo_rl.errors import UserError, nearest

LABEL = "name"  # stands beside _target_ for tables and run names; no argument of the part


def part_class(node: Mapping[str, Any], key: str, plugins: Sequence[str] = ()) -> Any:
    """The class that `_target_` names; UserError if it is not there or not allowed."""
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise UserError(f"{key}._target_={target} must name a class, for example ufo_rl.selector.ufo.Ufo")
    package = target.split(".")[0]
    if package not in ("ufo_rl", *plugins):
        raise UserError(f"{key}._target_={target} is outside ufo_rl; allow its package with plugins=[{package}]")
    module_name, class_name = target.rsplit(".", 1)
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{key}._target_={target} cannot be imported: {error}") from error


def build(node: Mapping[str, Any], key: str, plugins: Sequence[str] = (), **extra: Any) -> Any:
    """The part that `node` describes: its `_target_` class called with its other keys and `extra`.

    Only classes of ufo_rl and of the packages in `plugins` are built: a configuration file must not be able to call
    anything else. Raises UserError naming the key, the wrong argument and the nearest right one.
    """
    part = part_class(node, key, plugins)
    arguments = {k: v for k, v in node.items() if k not in ("_target_", LABEL)}
    names = [n for n in inspect.signature(part).parameters if n not in extra]
    unknown = [
        f"{key}.{k}: unknown key{nearest(k, names)} (keys here: {', '.join(names)})"
        for k in arguments
        if k not in names
    ]
    if unknown:
        raise UserError(*unknown)
    try:
        inspect.signature(part).bind(**arguments, **extra)
    except TypeError as error:
        raise UserError(f"{key}: {error}") from error
    try:
        return part(**arguments, **extra)
    except ValidationError as error:
        raise UserError(*sentences(error, part, key)) from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{key}.{error}") from error
