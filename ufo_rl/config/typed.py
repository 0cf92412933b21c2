"""Plain mappings to dataclasses: types and ranges checked, every problem collected with key, value and cure."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ufo_rl.errors import nearest


@dataclass(frozen=True)
class Range:
    """Allowed interval of a number, in the usual bracket notation: Range(0, 1, "(]") is 0 < x <= 1."""

    low: float
    high: float = math.inf
    ends: str = "[]"

    def allows(self, value: float) -> bool:
        above = value > self.low if self.ends[0] == "(" else value >= self.low
        below = value < self.high if self.ends[1] == ")" else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'>' if self.ends[0] == '(' else '>='} {self.low:g}"
        return f"in {self.ends[0]}{self.low:g}, {self.high:g}{self.ends[1]}"


@dataclass(frozen=True)
class OneOf:
    """Allowed words."""

    options: tuple[str, ...]

    def allows(self, value: str) -> bool:
        return value in self.options

    def __str__(self) -> str:
        return "one of " + ", ".join(self.options)


def read(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    """The value as `kind`; what does not fit goes into `problems` with its key, and None comes back."""
    if get_origin(kind) is Annotated:
        base, rule = get_args(kind)
        before = len(problems)
        result = read(base, value, key, problems)
        if len(problems) == before and not rule.allows(result):
            hint = nearest(str(value), rule.options) if isinstance(rule, OneOf) else ""
            problems.append(f"{key}={value} must be {rule}{hint}{_cure(key)}")
        return result
    if get_origin(kind) in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = [k for k in get_args(kind) if k is not type(None)]
        return read(kind, value, key, problems)
    if is_dataclass(kind):
        return _read_node(kind, value, key, problems)
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            problems.append(f"{key}={value} must be a mapping of keys to values")
            return None
        element = get_args(kind)[1]
        return {k: v if element is Any else read(element, v, f"{key}.{k}", problems) for k, v in value.items()}
    if get_origin(kind) is list:
        if not isinstance(value, list):
            problems.append(f"{key}={value} must be a list, for example {key}=[a,b]")
            return None
        return [read(get_args(kind)[0], v, f"{key}[{i}]", problems) for i, v in enumerate(value)]
    return _read_scalar(kind, value, key, problems)


def _read_node(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{key}={value} must be a group of keys, not a single value")
        return None
    hints = get_type_hints(kind, include_extras=True)
    names = [f.name for f in fields(kind)]
    dot = f"{key}." if key else ""
    for name in value:
        if name not in names:
            problems.append(f"{dot}{name}: unknown key{nearest(str(name), names)} (keys here: {', '.join(names)})")
    missing = [f.name for f in fields(kind) if f.name not in value and f.default is MISSING]
    problems.extend(f"{dot}{name} is missing" for name in missing)
    values = {n: read(hints[n], value[n], dot + n, problems) for n in names if n in value}
    return None if missing else kind(**values)


def _read_scalar(kind: Any, value: Any, key: str, problems: list[str]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and value is False:
        return "off"  # YAML reads the word off as false
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    problems.append(f"{key}={'null' if value is None else value} must be {names[kind]}")
    return None


def _cure(key: str) -> str:
    return "; for everything use selector=full" if key == "ratio.value" else ""
