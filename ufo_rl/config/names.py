"""Every option and key of a command line must exist: all that do not are told, with the nearest that does.

Hydra alone stops at the first mistake and suggests `+key=value` for a misspelt key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ufo_rl.config.grid import texts_of
from ufo_rl.config.group_choices import chooses_options, option_problems
from ufo_rl.config.open_nodes import OPEN_NODES, is_below
from ufo_rl.config.tree import Tree
from ufo_rl.errors import Problems, nearest


def check_names(tree: Tree, overrides: Sequence[Override]) -> None:
    """Raises UserError with every wrong option, and with the keys that are wrong under the first of the right ones.

    Keys that another option of a sweep lacks are told by `check_keys`.
    """
    problems, sound = Problems(), []
    for override, found in option_problems(tree, overrides):
        problems.add(*found)
        if not found:
            first = texts_of(override)[0] if override.is_sweep_override() else str(override.input_line)
            sound.append(tree.in_hydras_words(first))
    if problems.found:
        known = known_keys(tree.compose(sound))
        for override in overrides:
            problems.add(*key_problems(tree, override, known, str(override.input_line)))
    problems.raise_any()


def key_problems(tree: Tree, override: Override, known: set[str], line: str) -> list[str]:
    """What is wrong with the key of one override, nothing where it chooses options. `known` are the keys that are there,
    `line` is what the user typed."""
    if chooses_options(tree, override) or override.is_hydra_override():
        return []
    key = override.key_or_group
    if override.package is not None:
        return [f"{line}: {key} is no group of options, and only those have a @package"]
    if is_below(key, OPEN_NODES):
        if override.is_force_add():
            return []
        if override.is_add():
            is_whole = isinstance(override.value(), dict | list)  # Hydra merges these into what is there
            is_there = key in known and not is_whole
            return [f"{line}: {key} is there already; to set it: {key}=VALUE"] if is_there else []
        if key not in known:
            return [f"{line}: no such key{_key_hint(key, known, tree.groups)}; to add it: +{line}"]
        return []
    if key not in known:
        return [f"{line}: no such key{_key_hint(key, known, tree.groups)}"]
    if override.is_add() or override.is_delete():
        return [f"{line}: keys are neither added nor removed; set one with {key}=VALUE"]
    return []


def known_keys(cfg: DictConfig) -> set[str]:
    """The dotted keys of a composed configuration, without Hydra's own."""
    return {key for key, _ in flat_keys(OmegaConf.to_container(cfg, resolve=False)) if key.split(".")[0] != "hydra"}


def _key_hint(key: str, known: set[str], groups: Sequence[str]) -> str:
    """The most similar key beside it; else the keys that are there."""
    parent, _, leaf = key.rpartition(".")
    beside = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    if parent in known and beside:
        return nearest(leaf, beside) or f" (keys of {parent}: {', '.join(sorted(beside))})"
    return nearest(key, [*known, *groups]) or " (see the keys with --cfg job)"


def flat_keys(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a plain configuration, dotted, with its value: groups too, before what is in them."""
    for key, value in config.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from flat_keys(value, f"{prefix}{key}.")
