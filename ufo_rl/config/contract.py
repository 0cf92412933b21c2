"""What parts must have: each member of a protocol, and what to do where it is missing or of another kind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ufo_rl.config.build import build
from ufo_rl.errors import UserError

ABSENT = object()


@dataclass(frozen=True)
class Member:
    """kind: what it must be, in words. fits: whether a value is that. is_optional: a part may be without it."""

    name: str
    kind: str
    fits: Callable[[Any], bool]
    is_optional: bool = False

    def problem_of(self, part: Any) -> str:
        """What is wrong and the cure, "" where nothing is."""
        value = getattr(part, self.name, ABSENT)
        if value is ABSENT:
            return "" if self.is_optional else f"has no `{self.name}`; give it {self.kind}"
        if self.fits(value):
            return ""
        shown = f"is a {type(value).__name__}" if callable(value) else f"= {value!r}"
        if callable(value) and hasattr(value, "__name__"):
            shown = f"takes {_signature(value)}"
        return f"`{self.name}` {shown}; it must be {self.kind}"


def _words(name: str, example: str, is_empty: bool = True, is_optional: bool = False) -> Member:
    def fits(value: Any) -> bool:
        return isinstance(value, tuple | list) and all(isinstance(v, str) for v in value) and (is_empty or bool(value))

    return Member(name, f"a tuple of names, for example {name} = {example}", fits, is_optional)


def _method(name: str, *parameters: str, is_optional: bool = False) -> Member:
    def fits(value: Any) -> bool:
        if not callable(value):
            return False
        try:
            inspect.signature(value).bind(*parameters)
        except TypeError:
            return False
        except ValueError:  # of C: nobody can say
            return True
        return True

    return Member(name, f"a method {name}({', '.join(parameters)})", fits, is_optional)


def _word(name: str, kind: str, form: str) -> Member:
    return Member(name, kind, lambda value: isinstance(value, str) and re.fullmatch(form, value) is not None)


def _is_version(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


FACTS = _method("facts", "view", is_optional=True)
CONTRACTS: Mapping[str, Sequence[Member]] = {
    "selector": (
        _words("signals", '("confidence",)'),
        Member("keeps_all", "True or False", lambda value: isinstance(value, bool)),
        _method("sort_key", "columns"),
        _words("columns", '("confidence", "level")', is_optional=True),
        _method("key_bounds", "columns", is_optional=True),
        FACTS,
    ),
    "signal": (
        _word("stage", 'the name of its stage, a word such as "score"', r"\w[\w-]*"),
        _word("unit", '"prompts" or "samples"', r"\w+"),
        _word("rank", 'the dotted path of a function, for example "mylab.digits.rank.measure"', r"\w+(\.\w+)+"),
        _words("columns", '("digits",)', is_empty=False),
        _words("stored", '("digits",)'),
        _method("identity", "subject"),
        _method("rows", "subject"),
        _method("check", "prompts", is_optional=True),
        _method("inputs", is_optional=True),
        _method("request", "subject", "store", "num_missing", is_optional=True),
        _method("owns_device", "subject", is_optional=True),
        FACTS,
    ),
    "grader": (
        Member("version", "a number or a word that changes whenever a verdict does", _is_version),
        _words("columns", '("unit",), () for none'),
        _method("problem_of", "reference"),
        _method("grade_all", "references", "completions"),
        _method("same", "one", "other"),
        _method("normal_form", "answer"),
        _method("close"),
        FACTS,
    ),
    "dataset": (_method("load", "data"), FACTS),
}


def check_part(part: Any, kind: str, target: str, key: str) -> None:
    """Raises one UserError with everything that a built part lacks of its kind (a key of CONTRACTS)."""
    found = [problem for member in CONTRACTS[kind] if (problem := member.problem_of(part))]
    if found:
        raise UserError(*(f"{key}: {target} {problem}" for problem in found))


def built(node: Mapping[str, Any], key: str, plugins: Sequence[str], kind: str) -> Any:
    """The part that `node` describes, with all that its kind asks for."""
    part = build(node, key, plugins)
    check_part(part, kind, node["_target_"], key)
    return part


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except (TypeError, ValueError):
        return "other arguments"
