"""From a command line to its jobs, every wrong option, key and value told in one message before Hydra runs it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf

from ufo_rl.config.grid import grid
from ufo_rl.config.model_choice import CUSTOM, ModelChoice, choose_model, in_words, refuse_default
from ufo_rl.config.names import check_names, flat_keys
from ufo_rl.config.open_nodes import CHECKED_NODES, is_below
from ufo_rl.config.tree import Tree, open_tree, plainly
from ufo_rl.errors import UserError


@dataclass(frozen=True)
class Job:
    """A run to be: its resolved plain configuration and its folder.

    choice: what the command line means of the model. notice: what a model given by its path runs with, "" for others.
    """

    plain: dict[str, Any]
    folder: Path
    choice: ModelChoice = field(default_factory=ModelChoice)
    notice: str = ""

    def check_model(self) -> None:
        """UserError where nobody chose a model, and the default cannot be meant."""
        refuse_default(self.choice.is_default, self.plain)


def plain_config(cfg: Any) -> dict[str, Any]:
    """The resolved configuration without Hydra's own node, as plain data."""
    keys = [key for key in cfg if key != "hydra"]
    container = OmegaConf.to_container(OmegaConf.masked_copy(cfg, keys), resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _run_id(*, _root_: Any) -> str:
    from ufo_rl.config.identity import run_id  # --help needs no identity, nor the types behind it

    return run_id(plain_config(_root_))


# ${run_id:} of Hydra's output folders. At import, because launchers unpickle their jobs in processes of their own.
OmegaConf.register_new_resolver("run_id", _run_id, replace=True)


def compose_jobs(
    overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None, multirun: bool = False
) -> list[Job]:
    """The jobs of the command line with every option and key checked, values not yet."""
    with open_tree(config_dir, config_name) as tree:
        parsed = tree.parse(overrides)
        check_names(tree, parsed)
        sweep = _sweep(tree, parsed, multirun)
        swept = [override for override in parsed if override.is_sweep_override()]
        if sweep is None and swept:
            cure = "several values; add -m to run them all, or quote one value"
            raise UserError(*[f"{override.input_line}: {cure}" for override in swept])
        return _jobs(tree, parsed, sweep)


def compose_one(overrides: Sequence[str], config_dir: str | None, config_name: str | None, command: str) -> Job:
    """The only job of the command line, for a command that takes one configuration."""
    with open_tree(config_dir, config_name) as tree:
        parsed = tree.parse(overrides)
        check_names(tree, parsed)
        sweep = _sweep(tree, parsed, multirun=False)
        asked = {override.get_key_element(): override for override in sweep or parsed}
        swept = [override for override in asked.values() if override.is_sweep_override()]
        if sweep is not None and swept:
            keys = ", ".join(f"{override.key_or_group}=..." for override in swept)
            raise UserError(f"{command}: {tree.name} is a sweep, and one configuration is asked; choose {keys}")
        if swept:
            raise UserError(*[f"{override.input_line}: several values; {command} takes one" for override in swept])
        (job,) = _jobs(tree, parsed, sweep)
        return job


def _sweep(tree: Tree, overrides: Sequence[Override], multirun: bool) -> list[Override] | None:
    """What the sweep's file asks, narrowed by the user; None for a single run."""
    one = _set(tree, [override for override in overrides if not override.is_sweep_override()])
    if not (multirun or one.hydra.mode == RunMode.MULTIRUN):
        return None
    params = one.hydra.sweeper.get("params") or {}
    if bare := [key for key in params if is_below(key, CHECKED_NODES)]:
        raise UserError(
            *[f"hydra.sweeper.params.{key}: write ++{key} there, as Hydra asks for new keys" for key in bare]
        )
    return [*tree.parse([f"{key}={value}" for key, value in params.items()]), *overrides]


def _jobs(tree: Tree, overrides: Sequence[Override], sweep: Sequence[Override] | None) -> list[Job]:
    params = sweep[: len(sweep) - len(overrides)] if sweep is not None else []
    asked = [overrides] if sweep is None else [tree.parse(texts) for texts in grid(sweep)]
    choice = choose_model(tree, overrides, params, asked)
    added = tree.parse(choice.added)
    own = {one.key_or_group for one in added}
    return [
        _job(_set(tree, [*(one for one in job if one.key_or_group not in own), *added]), sweep is not None, choice)
        for job in asked
    ]


def _job(cfg: DictConfig, is_swept: bool, choice: ModelChoice) -> Job:
    try:
        with plainly():
            folder = Path(cfg.hydra.sweep.dir, cfg.hydra.sweep.subdir) if is_swept else Path(cfg.hydra.run.dir)
            plain = plain_config(cfg)
            is_custom = cfg.hydra.runtime.choices.get("model") == CUSTOM
            return Job(plain, folder, choice, in_words(plain) if is_custom else "")
    except UserError:
        problems = [
            f"{key} is missing: set {key}=VALUE, or give it in its file"
            for key, value in flat_keys(OmegaConf.to_container(cfg, resolve=False))
            if value == MISSING and not key.startswith("hydra.")
        ]
        if not problems:
            raise
        raise UserError(*problems) from None


def _set(tree: Tree, overrides: Sequence[Override]) -> DictConfig:
    """The configuration under these overrides. Composing reads dozens of files: it is done once per choice of options,
    and the values are set on a copy."""
    options, values = [], []
    for override in overrides:
        (options if tree.is_option(override) else values).append(override)
    cfg = copy.deepcopy(tree.compose([str(option.input_line) for option in options]))
    with plainly():
        for override in values:
            OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=True)
    return cfg


def tell(jobs: Sequence[Job]) -> None:
    """A line a model that was given by its path: what it runs with."""
    for notice in dict.fromkeys(job.notice for job in jobs if job.notice):
        sys.stderr.write(f"ufo-rl: {notice}\n")
