"""The options that a command line chooses: each must be there, and each group must have as many as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override

from ufo_rl.config.grid import texts_of
from ufo_rl.config.tree import Tree
from ufo_rl.errors import nearest

# Options of Hydra's own groups that come with a package of their own, by how they begin, and what installs it.
PACKAGES = {
    "hydra/launcher=submitit": "'ufo-rl[slurm]'",
    "hydra/launcher=joblib": "hydra-joblib-launcher",
    "hydra/launcher=ray": "hydra-ray-launcher",
    "hydra/launcher=rq": "hydra-rq-launcher",
    "hydra/sweeper=optuna": "hydra-optuna-sweeper",
    "hydra/sweeper=ax": "hydra-ax-sweeper",
    "hydra/sweeper=nevergrad": "hydra-nevergrad-sweeper",
    "hydra/job_logging=colorlog": "hydra-colorlog",
    "hydra/hydra_logging=colorlog": "hydra-colorlog",
}


def chooses_options(tree: Tree, override: Override) -> bool:
    """Whether it names options of a group; with mappings it sets keys of the chosen one."""
    value = override.value()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    return override.key_or_group in tree.groups and not all(isinstance(one, dict) for one in values)


def option_problems(tree: Tree, overrides: Sequence[Override]) -> Iterator[tuple[Override, list[str]]]:
    """Each override that chooses options, of groups of ours or of Hydra's, with what is wrong with it."""
    for override in overrides:
        if chooses_options(tree, override):
            yield override, list(dict.fromkeys(_of_group(tree, override)))
        elif override.is_hydra_override():
            yield override, list(_of_hydra(tree, override))


def missing_option(group: str, option: str, options: Sequence[str]) -> str:
    """That a group has no such option, with the cure: the nearest one, or the package that brings it."""
    for begin, package in PACKAGES.items():
        if f"{group}={option}".startswith(begin):
            return f"{group}={option} is not installed; pip install {package}"
    hint = f"{nearest(option, options)} (options: {', '.join(options)})"
    if group == "ratio" and option.replace(".", "", 1).replace("e-", "", 1).isdigit():
        hint = f"{hint}; for any other value: {group}.value={option}"
    return f"{group}={option}: no such option{hint}"


def _of_hydra(tree: Tree, override: Override) -> Iterator[str]:
    group, line = override.key_or_group, override.input_line
    if override.is_sweep_override():
        yield f"{line}: Hydra's own keys take one value"
    elif "/" in group and not override.is_delete() and isinstance(option := override.value(), str):
        options = tree.options(group)
        if option not in options:
            yield missing_option(group, option, options)


def _of_group(tree: Tree, override: Override) -> Iterator[str]:
    group, line = override.key_or_group, override.input_line
    if override.is_delete():
        if tree.takes_several(group):
            yield f"{line}: write {group}=[...] with the options that stay"
        elif not tree.takes_none(group) and override.package is None:
            yield f"{line}: a run needs a {group}; choose one of {', '.join(tree.options(group))}"
        return
    if override.package is None and (override.is_force_add() or (override.is_add() and tree.has_default(group))):
        yield f"{line}: options are chosen without +; write {str(line).lstrip('+')}"
        return
    for choice in choices_of(tree, override):
        yield from _of_choice(tree, override, choice)


def _of_choice(tree: Tree, override: Override, choice: Any) -> Iterator[str]:
    """What is wrong with one value: an option, or a list of options."""
    group, options = override.key_or_group, tree.options(override.key_or_group)
    several = choice if isinstance(choice, list) else [choice]
    shown = f"{group}=[{','.join(map(str, several))}]"
    if not several and not tree.takes_none(group):
        yield f"{override.input_line}: a run needs a {group}; choose one of {', '.join(options)}"
    if len(several) > 1 and not tree.takes_several(group):
        yield f"{shown}: one option at a time; to run each: -m {shown.replace('[', '').replace(']', '')}"
    if doubled := [one for number, one in enumerate(several) if one in several[:number]]:
        yield f"{shown}: {doubled[0]} is there twice; name each option once"
    for one in several:
        if one is None:
            yield f"{override.input_line}: a list of options holds names, not null (options: {', '.join(options)})"
        elif str(one) not in options:
            yield missing_option(group, str(one), options)
        elif not isinstance(one, str):
            yield f"{override.input_line}: the option {one} reads as a number or a truth value; quote it: '{group}=\"{one}\"'"


def choices_of(tree: Tree, override: Override) -> list[Any]:
    """The values of an override that chooses options, several where it is a sweep."""
    if not override.is_sweep_override():
        return [override.value()]
    return [one.value() for one in tree.parse(texts_of(override))]
