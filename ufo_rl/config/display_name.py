"""What a run is called where people read it: its choices, every value that was asked for, and the hash of its folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from hydra.core.override_parser.overrides_parser import OverridesParser

from ufo_rl.files.flat import flat
from ufo_rl.files.keys import digest

MAX_CHARS = 128  # W&B's limit
MAX_VALUE_CHARS = 24
LAST = ("launch", "dataset", "eval")  # groups whose values a comparison seldom varies


def display_name(
    choices: str, tail: str, overrides: Iterable[str], unsaid: Collection[str], unimportant: Iterable[str] = ()
) -> str:
    """For example tiny-arithmetic-ufo-10pct-learning_rate=1e-5-s1-209687c7, at most 128 characters.

    `choices` begins it and `tail` (seed, hash) ends it. Between stand the overrides of the command line by the last word of
    their keys, or as many as tell them apart, in the order of the keys, those of LAST last; +2 stands for two that found no
    room. Left out are Hydra's, those of `unsaid`, dotted
    keys that the choices say already, and those in or below `unimportant`, keys that change no result.
    """
    given = dict(pair for text in overrides for pair in _pairs(text))
    left_out = (*unimportant, "hydra")
    said = {
        key: given[key] for key in sorted(given, key=_importance) if key not in unsaid and not _is_below(key, left_out)
    }
    marks = [f"{short}={value}" for short, value in zip(shortest(said), said.values(), strict=True)]
    room, shown = MAX_CHARS - len(tail) - 1, [choices]
    for mark in marks:
        if len("-".join([*shown, mark])) + len("-+99") <= room:
            shown.append(mark)
    left = len(marks) - len(shown) + 1
    return f"{'-'.join([*shown, *([f'+{left}'] if left else [])])[:room]}-{tail}"


def shortest(keys: Collection[str]) -> list[str]:
    """Each dotted key by its last word, or by as many of its last words as no other key ends in."""
    found = []
    for key in keys:
        words = key.split(".")
        ends = [".".join(words[-n:]) for n in range(1, len(words) + 1)]
        found.append(next((e for e in ends if sum(f".{k}".endswith(f".{e}") for k in keys) == 1), key))
    return found


def _pairs(override: str) -> Iterator[tuple[str, str]]:
    """The keys and the values as they are shown: +reward.parts.short.weight=0.5, grader@eval.mine.grader=digits; each key of
    a mapping by itself."""
    key, sign, value = override.partition("=")
    place = key.lstrip("+~").rpartition("@")[2]
    if not sign:
        yield place, "none"
        return
    if value.lstrip().startswith("{") and isinstance(
        keys := OverridesParser.create().parse_override(override).value(), dict
    ):
        yield from ((name, _shown(str(inner))) for name, inner in flat({place: keys}, ".").items())
        return
    yield place, _shown(value)


def _shown(value: str) -> str:
    value = re.sub(r"[\s'\"\[\]{}]+", "", value).strip("/")
    # Hydra writes 1e-05 and False for the 1e-5 and false of a sweep
    value = re.sub(r"(?<=\de)([+-]?)0+(?=\d)", r"\1", {"True": "true", "False": "false"}.get(value, value))
    return value if len(value) <= MAX_VALUE_CHARS else f"{value[:8]}~{digest(value, 4)}~{value[-10:]}"


def _importance(key: str) -> tuple[int, str]:
    group = key.partition(".")[0]
    return (LAST.index(group) + 1 if group in LAST else 0), key


def _is_below(key: str, places: Iterable[str]) -> bool:
    return any(key == place or key.startswith(f"{place}.") for place in places)
