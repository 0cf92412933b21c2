"""Fields of another package's dataclass, read from its source: importing the package would take seconds, and torch."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "None": "null",
    "list": "a list",
    "dict": "a mapping of keys to values",
}
IS: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, Mapping),
}
CONTAINERS = {"List": "list", "Dict": "dict", "Mapping": "dict", "Sequence": "list"}


@dataclass(frozen=True)
class Kind:
    """What a field takes: builtin types by name, and single values (Literal, enum). `is_open`: something that the
    annotation alone does not tell, so that every value passes."""

    types: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    is_open: bool = False

    def allows(self, value: Any) -> bool:
        is_one = any(value == v and type(value) is type(v) for v in self.values)
        return self.is_open or is_one or any(IS[name](value) for name in self.types)

    def __str__(self) -> str:
        words = [WORDS[name] for name in self.types if name != "None"]
        if self.values:
            words.append("one of " + ", ".join(str(value) for value in self.values))
        return " or ".join(words + (["null"] if "None" in self.types else []))


OPEN = Kind(is_open=True)


@dataclass
class Source:
    """A dataclass in a package's file, and the package's files where its enums are."""

    package: str
    path: str
    name: str
    enums: tuple[str, ...] = field(default=())

    def fields(self) -> dict[str, Kind] | None:
        """Its own fields (not those of its bases) and their kinds; None where the package is not installed or the class
        is not there."""
        folder = package_folder(self.package)
        return None if folder is None else _fields(folder, self.path, self.name, self.enums)


def package_folder(package: str) -> Path | None:
    """Where a top-level package lies; it is not imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


@lru_cache
def _fields(folder: Path, path: str, name: str, enum_files: tuple[str, ...]) -> dict[str, Kind] | None:
    source = folder / path
    if not source.is_file():
        return None
    found = _class(source, name)
    if found is None:
        return None
    enums = {key: values for file in (path, *enum_files) for key, values in _enums(folder / file)}
    return {
        node.target.id: kind_of(node.annotation, enums)
        for node in found.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not node.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(node.annotation)
    }


def _class(path: Path, name: str) -> ast.ClassDef | None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _enums(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The enums of a file whose members are texts."""
    if not path.is_file():
        return
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            members = [one.value for one in node.body if isinstance(one, ast.Assign)]
            texts = [one.value for one in members if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if texts:
                yield node.name, tuple(texts)


def kind_of(annotation: ast.expr, enums: Mapping[str, tuple[str, ...]]) -> Kind:
    """The kind that an annotation says. `Enum | str` is how transformers writes that a text names a member."""
    parts = [part for part in _union(annotation)]
    named = tuple(value for part in parts if isinstance(part, ast.Name) for value in enums.get(part.id, ()))
    types: list[str] = []
    values: list[Any] = list(named)
    for part in parts:
        name = _builtin(part)
        if name == "str" and named:
            continue
        if name in IS:
            types.append(name)
        elif _is_literal(part):
            values += [one.value for one in _elements(part) if isinstance(one, ast.Constant)]
        elif not (isinstance(part, ast.Name) and part.id in enums):
            return OPEN
    return Kind(tuple(types), tuple(values))


def _union(node: ast.expr) -> Iterator[ast.expr]:
    """The members of `A | B`, `Optional[A]`, `Union[A, B]` and of annotations in quotes."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _union(node.left)
        yield from _union(node.right)
    elif isinstance(node, ast.Subscript) and _last(node.value) in ("Optional", "Union"):
        for one in _elements(node):
            yield from _union(one)
        if _last(node.value) == "Optional":
            yield ast.Constant(None)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _union(ast.parse(node.value, mode="eval").body)
    else:
        yield node


def _elements(node: ast.expr) -> list[ast.expr]:
    assert isinstance(node, ast.Subscript)
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and _last(node.value) == "Literal"


def _builtin(node: ast.expr) -> str:
    """The name of a builtin type, also of `list[X]` and `dict[X, Y]`; "" for others."""
    if isinstance(node, ast.Constant) and node.value is None:
        return "None"
    name = _last(node.value if isinstance(node, ast.Subscript) else node)
    return CONTAINERS.get(name, name)


def _last(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
