"""Validate a command line before Hydra runs it: every wrong option, key and value in one message.

Hydra alone stops at the first mistake and suggests `+key=value` for a misspelt key.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ufo_rl.config.folder import conf_folder
from ufo_rl.config.identity import run_id
from ufo_rl.config.open_nodes import CHECKED_NODES, OPEN_NODES, freely, is_below
from ufo_rl.errors import UserError, nearest

VALUES = ("seed", "name", "force")  # keys of the top level that are values, no groups


@dataclass(frozen=True)
class Job:
    """A run to be: its resolved plain configuration and its folder."""

    plain: dict[str, Any]
    folder: Path


def plain_config(cfg: Any) -> dict[str, Any]:
    """The resolved configuration without Hydra's own node, as plain data."""
    keys = [key for key in cfg if key != "hydra"]
    container = OmegaConf.to_container(OmegaConf.masked_copy(cfg, keys), resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


# ${run_id:} of Hydra's output folders. At import, because launchers unpickle their jobs in processes of their own.
OmegaConf.register_new_resolver("run_id", lambda *, _root_: run_id(plain_config(_root_)), replace=True)


def check(
    overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None, multirun: bool = False
) -> list[Job]:
    """The jobs of the command line, all of them valid. Raises UserError with all problems; imports nothing heavy."""
    from ufo_rl.experiment import prepare

    jobs = compose_jobs(overrides, config_dir, config_name, multirun)
    problems: list[str] = []
    for job in jobs:
        try:
            prepare.check(job.plain)
        except UserError as error:
            problems.extend(p for p in error.problems if p not in problems)
    if problems:
        raise UserError(*problems)
    return jobs


def compose_jobs(
    overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None, multirun: bool = False
) -> list[Job]:
    """The jobs of the command line with every option and key checked, values not yet."""
    with _hydra(config_dir) as hydra:
        loader = hydra.config_loader
        name = config_name or "config"
        parsed = _parse(loader, freely(overrides))
        _check_names(loader, name, parsed)
        return _jobs(loader, name, parsed, multirun)


@contextmanager
def _hydra(config_dir: str | None) -> Iterator[Hydra]:
    search = create_config_search_path(str(conf_folder()))
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise UserError(f"--config-dir {config_dir} is no folder")
        search.prepend("command-line", f"file://{os.path.abspath(config_dir)}")
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2(task_name="ufo-rl", config_search_path=search)
    finally:
        GlobalHydra.instance().clear()


def _parse(loader: ConfigLoader, texts: Sequence[str]) -> list[Override]:
    parser, parsed, problems = OverridesParser.create(config_loader=loader), [], []
    for text in texts:
        try:
            parsed += parser.parse_overrides([text])
        except HydraException as error:
            reason = str(error).splitlines()[0]
            problems.append(
                f"{text}: not understood ({reason}); write key=value, one argument each, "
                "and quote values with special characters: 'key=\"a,b\"'"
            )
    if problems:
        raise UserError(*problems)
    return parsed


def _check_names(loader: ConfigLoader, name: str, overrides: Sequence[Override]) -> None:
    """Every group option and key must exist; all that do not are reported."""
    problems, sound = [], []
    groups = [g for g in loader.list_groups("") if g != "hydra"]
    for override in overrides:
        key = override.key_or_group
        if key in groups:
            options = loader.get_group_options(key)
            wrong = [str(v) for v in _values(override) if v is not None and str(v) not in options]
            problems += [f"{key}={w}: no such option{_option_hint(key, w, options)}" for w in wrong]
            if not wrong:
                sound.append(override)
    cfg = _load(loader, name, [_first_choice(o) for o in sound])
    known = _key_paths(
        OmegaConf.to_container(OmegaConf.masked_copy(cfg, [str(k) for k in cfg if k != "hydra"]), resolve=False)
    )
    for override in overrides:
        key = override.key_or_group
        if key in groups or key.replace("/", ".").split(".")[0] == "hydra":
            continue
        if is_below(key, OPEN_NODES):
            if key not in known and not override.is_add() and not override.is_force_add():
                hint = _key_hint(key, known, groups)
                problems.append(f"{override.input_line}: no such key{hint}; to add it: +{override.input_line}")
        elif key not in known:
            problems.append(f"{override.input_line}: no such key{_key_hint(key, known, groups)}")
        elif override.is_add() or override.is_delete():
            problems.append(f"{override.input_line}: keys are neither added nor removed; set one with {key}=VALUE")
    if problems:
        raise UserError(*problems)


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
    anywhere = nearest(key, [*known, *groups])
    return anywhere or " (see the keys with --cfg job)"


def _values(override: Override) -> list[Any]:
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    value = override.value()
    return list(value) if isinstance(value, list) else [value]


def _first_choice(override: Override) -> str:
    if override.is_sweep_override():
        return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
    return str(override.input_line)


def _key_paths(config: Any, prefix: str = "") -> set[str]:
    paths: set[str] = set()
    for key, value in config.items():
        path = f"{prefix}{key}"
        paths |= {path} | (_key_paths(value, f"{path}.") if isinstance(value, dict) else set())
    return paths


def _jobs(loader: ConfigLoader, name: str, overrides: Sequence[Override], multirun: bool) -> list[Job]:
    """One job for a run, the grid for a sweep: what the sweep's file asks, narrowed by the user."""
    texts = [str(o.input_line) for o in overrides]
    swept = [t for t, o in zip(texts, overrides, strict=True) if o.is_sweep_override()]
    one = _load(loader, name, [t for t in texts if t not in swept])
    if not (multirun or one.hydra.mode == RunMode.MULTIRUN):
        if swept:
            raise UserError(*[f"{t}: several values; add -m to run them all, or quote one value" for t in swept])
        return [Job(_plain(one), Path(one.hydra.run.dir))]
    params = one.hydra.sweeper.get("params") or {}
    if bare := [key for key in params if is_below(key, CHECKED_NODES)]:
        raise UserError(
            *[f"hydra.sweeper.params.{key}: write ++{key} there, as Hydra asks for new keys" for key in bare]
        )
    parser = OverridesParser.create(config_loader=loader)
    grid = parser.parse_overrides([f"{k}={v}" for k, v in params.items()] + texts)
    composed: dict[tuple[str, ...], DictConfig] = {}
    jobs = []
    for job in BasicSweeper.split_arguments(grid, None)[0]:
        # composing reads dozens of files: once per choice of options, the values are set on a copy
        values = [o for o in parser.parse_overrides(list(job)) if _is_value(o)]
        options = tuple(text for text in job if text not in [o.input_line for o in values])
        if options not in composed:
            composed[options] = _load(loader, name, options)
        cfg = copy.deepcopy(composed[options])
        for override in values:
            OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=True)
        jobs.append(Job(_plain(cfg), Path(cfg.hydra.sweep.dir) / cfg.hydra.sweep.subdir))
    return jobs


def _is_value(override: Override) -> bool:
    """Whether the override only sets a value; options and removals are Hydra's to compose."""
    return not override.is_delete() and ("." in override.key_or_group or override.key_or_group in VALUES)


def _load(loader: ConfigLoader, name: str, overrides: Sequence[str]) -> DictConfig:
    with _plainly():
        return loader.load_configuration(name, list(overrides), RunMode.RUN)


def _plain(cfg: DictConfig) -> dict[str, Any]:
    with _plainly():
        return plain_config(cfg)


@contextmanager
def _plainly() -> Iterator[None]:
    """Errors of composition as a user's mistake: one line each."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise UserError(" ".join(f"{error}{cause}".split())) from error
