"""What fields of the configuration are made of: strict scalars, nodes, and the marks that a type may carry."""

from __future__ import annotations

import os
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Strict, StringConstraints
from pydantic.dataclasses import dataclass as validated
from pydantic.types import AllowInfNan

Type = TypeVar("Type")

Word = BeforeValidator(lambda value: "off" if value is False else value)  # YAML reads the word off as false
Text = Annotated[str, Word]
# A path as a user types it: ~ is the home folder, as in a shell.
Folder = Annotated[str, Word, AfterValidator(os.path.expanduser)]
# What names folders, files, tags and addresses: one word, the same on every system, so short that a folder holds several.
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
NAME_KIND = 'one word of at most 64 letters (a to z), digits, ".", "-" and "_" that begins with a letter or a digit'
Name = Annotated[str, Word, StringConstraints(pattern=rf"^{NAME}$")]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Positive = Annotated[Number, Gt(0)]
NotNegative = Annotated[Number, Ge(0)]
Count = Annotated[Whole, Ge(1)]
Seed = Annotated[Whole, Ge(0), Le(2**32 - 1)]  # what numpy takes
Proportion = Annotated[Number, Gt(0), Le(1)]
Dtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Cure:
    """Mark of a field: what to do instead of a value outside its range, or of a word where a mapping belongs: {key} and
    {value} are filled in there."""

    text: str


@dataclass(frozen=True)
class ChangesNoResult:
    """Mark of a field: where files go, who is told, how fast it is. It is in no run's identity and in no cache key."""


CHANGES_NO_RESULT = ChangesNoResult()


@dataclass_transform(frozen_default=True)
def node(cls: type[Type]) -> type[Type]:
    """A group of keys: a frozen dataclass that pydantic validates and that knows no other keys."""
    # building is deferred: the validator of the whole configuration holds those of its nodes
    return validated(cls, frozen=True, config=ConfigDict(extra="forbid", defer_build=True))  # pyright: ignore[reportReturnType]


def opened(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without `Annotated` and `| None`, and its marks: (Whole | None) -> int, (Strict(),)."""
    if get_origin(kind) is Annotated:
        base, marks = opened(get_args(kind)[0])
        return base, (*marks, *get_args(kind)[1:])
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = [k for k in get_args(kind) if k is not type(None)]
        return opened(kind)
    return kind, ()


def keys_of(kind: Any) -> dict[str, Any]:
    """The keys of a node and their types."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def kind_at(kind: Any, place: tuple[int | str, ...]) -> Any:
    """The type of what stands at a place below `kind`: keys and list positions, as pydantic's errors name it."""
    for part in place:
        base, _ = opened(kind)
        kind = keys_of(base)[str(part)] if is_dataclass(base) else get_args(base)[-1]
    return kind


def changes_no_result(kind: Any) -> tuple[str, ...]:
    """The keys below a node, dotted, that are marked so."""
    return tuple(_marked(kind, ""))


def _marked(kind: Any, prefix: str) -> Iterator[str]:
    for name, field in keys_of(kind).items():
        base, marks = opened(field)
        if CHANGES_NO_RESULT in marks:
            yield prefix + name
        elif is_dataclass(base):
            yield from _marked(base, f"{prefix}{name}.")


def stated(kind: Any, plain: Any) -> Any:
    """A plain node without the keys that hold the default of their field, so that what a configuration is called does not
    change with keys that are added to it. Values of another shape than `kind` stay as they are."""
    base, _ = opened(kind)
    if not isinstance(plain, Mapping):
        return plain
    if get_origin(base) is dict:
        return {key: stated(get_args(base)[1], value) for key, value in plain.items()}
    if not is_dataclass(base):
        return plain
    kinds, own = keys_of(base), {field.name: field for field in fields(base)}
    return {
        key: stated(kinds[key], value) if key in kinds else value
        for key, value in plain.items()
        if key not in own or stated(kinds[key], value) != _default(own[key])
    }


def _default(field: Field[Any]) -> Any:
    """Of a node that is one as a whole: no key of it is stated."""
    found = field.default_factory() if field.default_factory is not MISSING else field.default
    return {} if is_dataclass(found) else found
