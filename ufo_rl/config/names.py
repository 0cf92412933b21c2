"""Every option and key of a command line must exist: all that do not are told, with the nearest that does.

Hydra alone stops at the first mistake and suggests `+key=value` for a misspelt key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from ufo_rl.config.open_nodes import OPEN_NODES, is_below
from ufo_rl.config.tree import Tree
from ufo_rl.errors import UserError, nearest


def check_names(tree: Tree, overrides: Sequence[Override]) -> None:
    """Raises UserError with every wrong option and key."""
    groups, problems, sound = tree.groups, [], []
    for override in overrides:
        if override.key_or_group in groups:
            found = _option_problems(tree, override)
            problems += found
            if not found:
                sound.append(_first_choice(override))
        elif override.is_hydra_override():
            if override.is_sweep_override():
                problems.append(f"{override.input_line}: Hydra's own keys take one value")
            else:
                sound.append(_first_choice(override))
    cfg = tree.compose(sound)
    known = {key for key, _ in flat_keys(OmegaConf.to_container(cfg, resolve=False)) if key.split(".")[0] != "hydra"}
    for override in overrides:
        if override.key_or_group not in groups and not override.is_hydra_override():
            problems += _key_problems(override, known, groups)
    if problems:
        raise UserError(*problems)


def _option_problems(tree: Tree, override: Override) -> list[str]:
    group = override.key_or_group
    if override.is_delete():
        return []
    options, chosen = tree.options(group), _options_of(tree, override)
    if None in chosen:
        return [f"{group}=null: a group is left out with ~{group} (options: {', '.join(options)})"]
    wrong = [str(option) for option in chosen if str(option) not in options]
    return [f"{group}={word}: no such option{_option_hint(group, word, options)}" for word in wrong]


def _options_of(tree: Tree, override: Override) -> list[Any]:
    """The options that an override names; a sweep names some with each of its values."""
    if override.is_sweep_override():
        texts = [f"{override.key_or_group}={text}" for text in override.sweep_string_iterator()]
        return [option for one in tree.parse(texts) for option in _options_of(tree, one)]
    value = override.value()
    return list(value) if isinstance(value, list) else [value]


def _key_problems(override: Override, known: set[str], groups: Sequence[str]) -> list[str]:
    key, line = override.key_or_group, override.input_line
    if is_below(key, OPEN_NODES):
        if override.is_force_add():
            return []
        if override.is_add():
            is_whole = isinstance(override.value(), dict | list)  # Hydra merges these into what is there
            is_there = key in known and not is_whole
            return [f"{line}: {key} is there already; to set it: {key}=VALUE"] if is_there else []
        if key not in known:
            return [f"{line}: no such key{_key_hint(key, known, groups)}; to add it: +{line}"]
        return []
    if key not in known:
        return [f"{line}: no such key{_key_hint(key, known, groups)}"]
    if override.is_add() or override.is_delete():
        return [f"{line}: keys are neither added nor removed; set one with {key}=VALUE"]
    return []


def _option_hint(group: str, word: str, options: Sequence[str]) -> str:
    hint = f"{nearest(word, options)} (options: {', '.join(options)})"
    is_number = word.replace(".", "", 1).replace("e-", "", 1).isdigit()
    return f"{hint}; for any other value: {group}.value={word}" if group == "ratio" and is_number else hint


def _key_hint(key: str, known: set[str], groups: Sequence[str]) -> str:
    """The most similar key beside it; else the keys that are there."""
    parent, _, leaf = key.rpartition(".")
    beside = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    if parent in known and beside:
        return nearest(leaf, beside) or f" (keys of {parent}: {', '.join(sorted(beside))})"
    return nearest(key, [*known, *groups]) or " (see the keys with --cfg job)"


def _first_choice(override: Override) -> str:
    if override.is_sweep_override():
        return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
    return str(override.input_line)


def flat_keys(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a plain configuration, dotted, with its value: groups too, before what is in them."""
    for key, value in config.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from flat_keys(value, f"{prefix}{key}.")
