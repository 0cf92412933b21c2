"""What the parent asks of the ranks of a stage: a frozen record that reaches them as request.json."""

from __future__ import annotations

import importlib
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ufo_rl.config.build import find_from_here
from ufo_rl.config.schema import Launch
from ufo_rl.files.atomic import write_text


@dataclass(frozen=True)
class Request:
    """One stage for all its ranks.

    stage: its name in the journal and below `.work`. rank: dotted path of the function that a rank calls, (its own request,
    RankContext) -> dict. details: that function's own request, a frozen dataclass, as plain data. plugins: packages
    besides ufo_rl that the path may name. owns_device: each rank must see one GPU alone (vLLM takes the first it sees).
    asked: seconds since the epoch.
    """

    stage: str
    rank: str
    details: dict[str, Any]
    work: Path
    rows: Path
    journal: Path
    attempt: int
    asked: float
    launch: Launch
    owns_device: bool = False

    def write(self) -> Path:
        """Publish it as request.json in its work folder."""
        path = self.work / "request.json"
        write_text(path, json.dumps(plain(self), indent=1) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Request:
        return TypeAdapter(cls).validate_python(json.loads(path.read_text()))

    def call(self, context: Any) -> dict[str, Any]:
        """Run the rank function in this process."""
        function = find(self.rank)
        return function(typed(function, self.details), context)


def plain(record: Any) -> dict[str, Any]:
    """A dataclass as data that JSON can hold."""
    return TypeAdapter(type(record)).dump_python(record, mode="json")


def find(path: str) -> Callable[..., dict[str, Any]]:
    """The function that a dotted path names; its imports (torch) happen now. It may lie where the command was started."""
    find_from_here()
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def typed(function: Callable[..., Any], details: dict[str, Any]) -> Any:
    """The plain data as the type that the function's first parameter is annotated with."""
    first = next(iter(typing.get_type_hints(function).values()))
    return TypeAdapter(first).validate_python(details)
