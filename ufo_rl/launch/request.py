"""What the parent asks of the ranks of a stage: a frozen record that reaches them as request.json."""

from __future__ import annotations

import gc
import importlib
import json
import operator
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ufo_rl.config.build import find_from_here
from ufo_rl.config.schema import Launch
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import write_text


@dataclass(frozen=True)
class Request:
    """One stage for all its ranks.

    stage: its name in the journal and below `.work`. rank: dotted path of the function that a rank calls, (its own request,
    RankContext) -> dict. kind: where that function's own request is defined, `module:class` of a frozen dataclass. details:
    that request as plain data. owns_device: each rank must see one GPU alone (vLLM takes the first it sees). forks: ranks may
    be forked; not those that import vLLM, which chooses its device then. asked: seconds since the epoch.
    """

    stage: str
    rank: str
    kind: str
    details: dict[str, Any]
    work: Path
    rows: Path
    journal: Path
    attempt: int
    asked: float
    launch: Launch
    owns_device: bool = False
    forks: bool = True

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
        result: Any = function_at(self.rank)(typed(self.kind, self.details), context)
        if not isinstance(result, dict):
            raise UserError(
                f"{self.rank}: its rank function returned {'None' if result is None else type(result).__name__}, not a "
                "dict; return one, for example {'peak_memory_gib': context.place.peak_memory_gib()}"
            )
        return result


def plain(record: Any) -> dict[str, Any]:
    """A dataclass as data that JSON can hold."""
    return TypeAdapter(type(record)).dump_python(record, mode="json")


def function_at(path: str) -> Callable[..., dict[str, Any]]:
    """The function that a dotted path names; its imports (torch) happen now. It may lie where the command was started."""
    find_from_here()
    module, _, name = path.rpartition(".")
    gc.disable()  # a quarter of the time of such imports would go into looking for garbage
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        gc.enable()


def module_of(path: str) -> str:
    """The module of a function that a dotted path names."""
    return path.rpartition(".")[0]


def kind_of(record: Any) -> str:
    """Where the dataclass of a record is defined."""
    return f"{type(record).__module__}:{type(record).__qualname__}"


def typed(kind: str, details: dict[str, Any]) -> Any:
    """The plain data as a dataclass again: `kind` is what `kind_of` said of it."""
    find_from_here()
    module, _, name = kind.partition(":")
    return TypeAdapter(operator.attrgetter(name)(importlib.import_module(module))).validate_python(details)
