"""Pydantic's errors in our words: the key, its value, what it must be, the nearest right one."""

from __future__ import annotations

from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ufo_rl.config.kinds import NAME_KIND, Cure, keys_of, kind_at, opened
from ufo_rl.errors import nearest

KINDS = {
    "dataclass_type": "a group of keys, not a single value",
    "dict_type": "a mapping of keys to values",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
}
MAX_SHOWN = 80  # characters of a value in a message
BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


def sentences(error: ValidationError, kind: Any, key: str = "") -> list[str]:
    """One sentence a problem, in the order of the tree. `kind` was validated; `key` is where it stands."""
    return [_sentence(one, kind, key) for one in error.errors(include_url=False)]


def _sentence(error: ErrorDetails, kind: Any, top: str) -> str:
    place, problem = error["loc"], error["type"]
    key = _key(top, place)
    if problem == "missing":
        return f"{key} is missing"
    if problem == "unexpected_keyword_argument":
        names = list(keys_of(opened(kind_at(kind, place[:-1]))[0]))
        return f"{key}: unknown key{nearest(str(place[-1]), names)} (keys here: {', '.join(names)})"
    value = "null" if error["input"] is None else brief(error["input"])
    if problem == "value_error" and not place:  # a rule of the node's own, which begins with the key that it is about
        return f"{key}.{error['msg'].removeprefix('Value error, ')}"
    base, marks = opened(kind_at(kind, place))
    if problem in BOUNDS:
        cures = [f"; {mark.text}" for mark in marks if isinstance(mark, Cure)]
        return f"{key}={value} must be {_range(marks)}{''.join(cures)}"
    if problem == "literal_error":
        return f"{key}={value} must be one of {', '.join(get_args(base))}{nearest(str(value), get_args(base))}"
    if problem == "string_pattern_mismatch":
        return f'{key}="{value}" must be {NAME_KIND}: it names folders'
    if problem == "list_type":
        return f"{key}={value} must be a list, for example {key}=[a,b]"
    if problem in KINDS:
        is_word = problem == "dict_type" and isinstance(error["input"], str)
        named = marks if is_word or problem == "int_type" else ()
        cures = [f"; {mark.text.format(key=key, value=value)}" for mark in named if isinstance(mark, Cure)]
        return f"{key}={value} must be {KINDS[problem]}{_other_kind(problem, error['input'], key)}{''.join(cures)}"
    return f"{key}={value}: {error['msg']}"


def _other_kind(problem: str, value: Any, key: str) -> str:
    """How to write a text that only looks like a number, and a number that is meant as text."""
    if problem == "string_type" and isinstance(value, bool | int | float) and not key.endswith("]"):
        return f"; to give it as text: '{key}=\"{brief(value)}\"'"
    if problem in ("int_type", "float_type") and isinstance(value, str):
        try:
            (int if problem == "int_type" else float)(value)
        except ValueError:
            return ""
        return ", and this is text; leave out its quotes, or write ${oc.decode:${oc.env:NAME}} for a variable's number"
    return ""


def brief(value: Any) -> str:
    """A value as far as a line has room for it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text):,} characters)"


def _key(top: str, place: tuple[int | str, ...]) -> str:
    key = top
    for part in place:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _range(marks: tuple[Any, ...]) -> str:
    """The bounds in the usual bracket notation: in (0, 1], or > 0 where nothing is above."""
    above = [f"> {m.gt:.10g}" if isinstance(m, Gt) else f">= {m.ge:.10g}" for m in marks if isinstance(m, Gt | Ge)]
    below = [f"< {m.lt:.10g}" if isinstance(m, Lt) else f"<= {m.le:.10g}" for m in marks if isinstance(m, Lt | Le)]
    if not (above and below):
        return next(iter((*above, *below)), "a finite number")
    (left, low), (right, high) = above[0].split(), below[0].split()
    return f"in {'(' if left == '>' else '['}{low}, {high}{')' if right == '<' else ']'}"
