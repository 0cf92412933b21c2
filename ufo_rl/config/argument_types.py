"""The arguments of our own parts must be of the types that the parts write down: a class alone would fail on a wrong one
later, and in Python's words."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.dataclasses import is_pydantic_dataclass

from ufo_rl.config.kinds import keys_of, opened
from ufo_rl.config.messages import sentences


def type_problems(part: Any, arguments: Mapping[str, Any], key: str) -> list[str]:
    """A sentence for each argument of another type than its field's. Parts of other packages, which may annotate as they
    like, and those that pydantic validates itself have none."""
    is_ours = isinstance(part, type) and is_dataclass(part) and part.__module__.startswith("ufo_rl.")
    if not is_ours or is_pydantic_dataclass(part):
        return []
    model = _model(part)
    try:
        model.model_validate({name: value for name, value in arguments.items() if name in model.model_fields})
    except ValidationError as error:
        return sentences(error, part, key)
    return []


@functools.cache
def _model(part: Any) -> type[BaseModel]:
    """Fields of several types are left to the part."""
    fields: dict[str, Any] = {name: (hint, None) for name, hint in keys_of(part).items() if not _has_several(hint)}
    return create_model("Arguments", __config__=ConfigDict(strict=True), **fields)


def _has_several(hint: Any) -> bool:
    try:
        opened(hint)
    except ValueError:
        return True
    return False
