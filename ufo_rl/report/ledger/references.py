"""Who needs what below outputs/: folders of the cache by the runs that use them, and policies by the runs that build on
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.errors import UserError
from ufo_rl.files.flat import flat
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
        if used is None:
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


def builders_on(folder: Path, outputs: Path) -> list[str]:
    """Runs other than this one whose configuration names a file or folder in it (a policy, rollouts), or that keep one of its
    files by a link."""
    inside = folder.resolve()
    return [other.name for other in _folders(outputs) if other != inside and any(_paths_inside(other, inside))]


def _paths_inside(other: Path, inside: Path) -> Iterable[str]:
    try:
        config: Mapping[str, Any] = read_config(other / "config.yaml")
    except UserError:
        return
    for value in flat(config, ".").values():
        if isinstance(value, str) and "/" in value and Path(value).expanduser().resolve().is_relative_to(inside):
            yield value


def _folders(outputs: Path) -> list[Path]:
    try:
        return folders_below([outputs], KINDS)
    except UserError:  # there is none
        return []
