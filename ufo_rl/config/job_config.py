"""The configuration and the folder of each job: what Hydra will compose, without reading its files again for every job."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ufo_rl.config.grid import texts_of
from ufo_rl.config.group_choices import chooses_options
from ufo_rl.config.names import check_names, key_problems, known_keys
from ufo_rl.config.open_nodes import CHECKED_NODES, OPEN_NODES, is_below
from ufo_rl.config.tree import Tree, plainly
from ufo_rl.errors import Problems, UserError


def sweep_of(tree: Tree, overrides: Sequence[Override], multirun: bool) -> list[Override] | None:
    """What the sweep's file asks, narrowed by the user; None for a single run."""
    hydra = _without_sweeps(tree, overrides).hydra
    if not (multirun or hydra.mode == RunMode.MULTIRUN):
        return None
    params = OmegaConf.to_container(OmegaConf.create(hydra.sweeper.get("params") or {}))
    if not isinstance(params, dict):
        raise UserError(f"hydra.sweeper.params={params} must map keys to values, for example selector: ufo,random")
    if bare := [key for key in params if is_below(str(key), CHECKED_NODES)]:
        raise UserError(
            *[f"hydra.sweeper.params.{key}: write ++{key} there, as Hydra asks for new keys" for key in bare]
        )
    of_file = tree.parse([f"{key}={value}" for key, value in params.items()])
    if changed := [one for one in of_file if tree.in_hydras_words(str(one.input_line)) != one.input_line]:
        raise UserError(
            *[f"hydra.sweeper.params.{one.get_key_element()}: Hydra takes no null there; write []" for one in changed]
        )
    check_names(tree, [*of_file, *overrides])
    return [*of_file, *overrides]


def runs_grid(tree: Tree, overrides: Sequence[Override]) -> bool:
    """Whether Hydra's basic sweeper runs the jobs; another package's chooses them as it goes."""
    sweeper = _without_sweeps(tree, overrides).hydra.sweeper
    if not str(sweeper._target_).endswith(".BasicSweeper"):
        return False
    size = sweeper.max_batch_size
    if size is not None and (not isinstance(size, int) or size < 1):
        raise UserError(
            f"hydra.sweeper.max_batch_size={size} must be a whole number >= 1, or null for all jobs at once"
        )
    return True


def first_of(override: Override) -> str:
    """The override with the first of its values."""
    if isinstance(interval := override.value(), IntervalSweep):
        return f"{override.get_key_element()}={interval.start}"
    return texts_of(override)[0] if override.is_sweep_override() else str(override.input_line)


def job_configs(tree: Tree, jobs: Sequence[Sequence[str]], overrides: Sequence[Override]) -> list[DictConfig]:
    """The configuration of each job, with Hydra's own node. UserError where a key is not there, in any job of them.

    overrides: as the user typed them, for the messages."""
    typed = {override.get_key_element(): str(override.input_line) for override in overrides}
    is_swept = {override.get_key_element(): override.is_sweep_override() for override in overrides}
    parsed = [tree.parse(texts) for texts in jobs]
    wrong: dict[str, list[tuple[str, str]]] = {}  # by override: where it is wrong, and what
    for job in parsed:
        known = _known(tree, job)
        chosen = [str(one.input_line) for one in job if chooses_options(tree, one) and is_swept[one.get_key_element()]]
        for override in job:
            name = override.get_key_element()
            for problem in key_problems(tree, override, known, typed[name]):
                wrong.setdefault(name, []).append((" ".join(chosen), problem))
    problems = Problems()
    for found in wrong.values():
        where, problem = found[0]
        problems.add(f"{problem} (where {where})" if where and len(found) < len(jobs) else problem)
    problems.raise_any()
    found = [problems.attempt(_set, tree, job, typed) for job in parsed]
    problems.raise_any()
    for cfg in found:
        problems.add(*_borrowed_names(tree, cfg))
    problems.raise_any()
    return found


def _borrowed_names(tree: Tree, cfg: DictConfig) -> Iterator[str]:
    """The names that say another option than the chosen one: selector.name=random would call a run random that is not."""
    for group, option in cfg.hydra.runtime.choices.items():
        node = cfg.get(group)
        if not isinstance(node, DictConfig) or "name" not in node or OmegaConf.is_interpolation(node, "name"):
            continue
        name = node.name
        if name != option and name in tree.options(group) and name != tree.own_value(group, option, "name"):
            yield (
                f"{group}.name={name}: this is {group}={option}, and {name} is another option; choose it with "
                f"{group}={name}, or take another name"
            )


def job_folder(tree: Tree, cfg: DictConfig, words: Sequence[str], number: int | None) -> Path:
    """The folder that Hydra makes for a job, for the job of that number in a sweep; a moment that it names is now."""
    if cfg.hydra.job.chdir:
        raise UserError("hydra.job.chdir=true: the relative paths of a run would lose their meaning; leave it out")
    keys = _folder_keys(number)
    if any("hydra" in node for node in _folder_nodes(cfg, number)):  # ${hydra.job.num}
        cfg = copy.deepcopy(tree.compose([tree.in_hydras_words(word) for word in words]))
        if number is not None:
            cfg.hydra.job.num, cfg.hydra.job.id = number, str(number)
    with plainly():
        parts = [str(OmegaConf.select(cfg, f"hydra.{key}", throw_on_missing=True)) for key in keys]
    if wrong := [f"hydra.{key}={part}" for key, part in zip(keys, parts, strict=True) if part.startswith("~")]:
        raise UserError(*[f"{one}: Hydra takes ~ for a folder's name; write ${{oc.env:HOME}}" for one in wrong])
    return Path(*parts)


def names_a_moment(cfg: DictConfig, number: int | None) -> bool:
    """Whether the folder of a job depends on when it is made."""
    return any("now:" in node for node in _folder_nodes(cfg, number))


def _folder_keys(number: int | None) -> tuple[str, ...]:
    return ("run.dir",) if number is None else ("sweep.dir", "sweep.subdir")


def _folder_nodes(cfg: DictConfig, number: int | None) -> list[str]:
    """What the keys of a job's folder say, before anything in it is read."""
    nodes = OmegaConf.to_container(cfg.hydra, resolve=False)
    assert isinstance(nodes, dict)
    return [str(nodes[group][key]) for group, key in (key.split(".") for key in _folder_keys(number))]


def _without_sweeps(tree: Tree, overrides: Sequence[Override]) -> DictConfig:
    """What Hydra's own settings are read from; keys that are removed belong to the jobs."""
    asked = [one for one in overrides if chooses_options(tree, one) or not one.is_delete()]
    return tree.compose(_options(tree, [one for one in asked if not one.is_sweep_override()]))


def _known(tree: Tree, overrides: Sequence[Override]) -> set[str]:
    options = tuple(options_of(tree, overrides))
    if options not in tree.known:
        tree.known[options] = known_keys(tree.compose(options))
    return tree.known[options]


def _options(tree: Tree, overrides: Sequence[Override]) -> list[str]:
    """The overrides that say which files are read, as Hydra takes them."""
    chosen = [one for one in overrides if one.is_delete() or one.is_hydra_override() or chooses_options(tree, one)]
    return [tree.in_hydras_words(str(one.input_line)) for one in chosen]


def options_of(tree: Tree, overrides: Sequence[Override]) -> list[str]:
    """The same without keys that are removed: what is there before."""
    return _options(tree, [one for one in overrides if chooses_options(tree, one) or not one.is_delete()])


def _set(tree: Tree, overrides: Sequence[Override], typed: dict[str, str]) -> DictConfig:
    """The configuration under these overrides. Composing reads dozens of files: it is done once per choice of options,
    and the values are set on a copy."""
    cfg, problems = copy.deepcopy(tree.compose(_options(tree, overrides))), Problems()
    for override in overrides:
        if override.is_delete() or override.is_hydra_override() or chooses_options(tree, override):
            continue
        key, is_new = override.key_or_group, override.is_add() or override.is_force_add()
        is_new = is_new or is_below(key, CHECKED_NODES)
        try:
            OmegaConf.update(cfg, key, override.value(), force_add=is_new)
        except OmegaConfBaseException as error:
            line = typed[override.get_key_element()]
            cure = f"; to add keys: +{line}" if is_below(key, OPEN_NODES) else ""
            is_key = isinstance(error, ConfigKeyError)
            problems.add(f"{line}: {f'no such key {error.key}' if is_key else str(error).splitlines()[0]}{cure}")
    problems.raise_any()
    return cfg
