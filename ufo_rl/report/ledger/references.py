"""Who needs what below outputs/: folders of the cache by the runs that use them, and policies by the runs that build on
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.uses import uses_of
from ufo_rl.report.disk.run_folders import folders_below, read_config
from ufo_rl.report.ledger.entries import KINDS
from ufo_rl.report.ledger.sizes import size_of

CACHES = ("signals", "completions", "evaluations")


@dataclass(frozen=True)
class Cached:
    """A folder of the cache. `users`: names of the runs that use it."""

    folder: Path
    size: int
    users: Sequence[str]


@dataclass(frozen=True)
class Cache:
    """`silent`: runs of an earlier version, or broken ones, that do not say what they use."""

    entries: Sequence[Cached]
    silent: Sequence[str]


def cache_of(outputs: Path) -> Cache:
    """Everything cached below `outputs`, and who uses it."""
    users: dict[str, list[str]] = {}
    silent = []
    for folder in _folders(outputs):
        used = uses_of(folder)
        if used is None and (folder / "metrics.jsonl").is_file():  # without it nothing has begun, and nothing is needed
            silent.append(folder.name)
        for name in used or ():
            users.setdefault(name, []).append(folder.name)
    found = [
        Cached(folder, size_of(folder), users.get(f"cache/{kind}/{folder.name}", []))
        for kind in CACHES
        for folder in sorted((outputs / "cache" / kind).glob("*"))
        if folder.is_dir()
    ]
    return Cache(found, silent)


def builders_on(folder: Path) -> list[Path]:
    """Runs other than this one, in the same outputs/ and in the one here, whose configuration names a file or folder in it (a
    policy, rollouts), or cannot be read."""
    inside = folder.resolve()
    places = [Path("outputs"), *inside.parents[:3]]  # outputs/sweeps/NAME/RUN
    others = dict.fromkeys(other for place in places if _is_outputs(place) for other in _folders(place))
    return [other for other in others if other != inside and other.is_dir() and _may_need(other, inside)]


def _is_outputs(place: Path) -> bool:
    """Whether it is a folder of results, and not one of the user's that holds such folders among others."""
    return any((place / name).is_dir() for name in ("runs", "sweeps", "evaluations", "scores", "selections", "cache"))


def _may_need(other: Path, inside: Path) -> bool:
    try:
        config = read_config(other / "config.yaml")
    except UserError:
        return True
    return any("/" in text and Path(text).expanduser().resolve().is_relative_to(inside) for text in _texts(config))


def _texts(value: Any) -> Iterable[str]:
    """Every text in nested mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _folders(outputs: Path) -> list[Path]:
    try:
        return folders_below([outputs], KINDS)
    except UserError:  # there is none
        return []
