"""From a command line to its jobs, every wrong option, key and value told in one message before Hydra runs it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import MISSING, DictConfig, OmegaConf

from ufo_rl.config.grid import grid
from ufo_rl.config.job_config import first_of, job_configs, job_folder, names_a_moment, runs_grid, sweep_of
from ufo_rl.config.model_choice import CUSTOM, DATA, ModelChoice, choose_model, in_words, refuse_default
from ufo_rl.config.names import check_names, flat_keys
from ufo_rl.config.scheduler import NO_COMMAND, asks_slurm, is_own_job, meeting_point, this_host
from ufo_rl.config.tree import Tree, open_tree, plainly
from ufo_rl.errors import Problems, UserError
from ufo_rl.files.environment import why_no_gpu


@dataclass(frozen=True)
class Job:
    """A run to be: its resolved plain configuration, the folder that Hydra will make for it as far as that can be known
    before, what tells it from other jobs, and all overrides that made it. `is_here`: this machine runs it; a scheduler's
    launcher asks others. `is_sample`: a sweeper of another package makes the jobs; this is one that it could make.
    flags: what names the configuration that it starts from. is_folder_known: the folder does not depend on the moment of
    its making. choice: what the command line means of the model.
    notice: what a model given by its path runs with, "" for others. is_rollout_found: rollout=auto chose what
    generates."""

    plain: dict[str, Any]
    folder: Path
    words: str = ""
    is_here: bool = True
    is_sample: bool = False
    overrides: tuple[str, ...] = ()
    choice: ModelChoice = field(default_factory=ModelChoice)
    notice: str = ""
    is_folder_known: bool = True
    flags: tuple[str, ...] = ()
    is_rollout_found: bool = False

    def command(self, program: str = "ufo-rl") -> str:
        """The command line that runs this job alone."""
        return shlex.join([*program.split(), *self.flags, *self.overrides])

    def program(self, words: str) -> str:
        """A command with what names the configuration that this job starts from."""
        return shlex.join([*words.split(), *self.flags])

    def check_model(self, *asked: str) -> None:
        """UserError where nobody chose a model or data, and the default cannot be meant; `asked` are the groups of data that
        are read, both where none is named."""
        refuse_default(self.choice, self.plain, asked or DATA)


def plain_config(cfg: Any) -> dict[str, Any]:
    """The resolved configuration without Hydra's own node, as plain data."""
    keys = [key for key in cfg if key != "hydra"]
    container = OmegaConf.to_container(OmegaConf.masked_copy(cfg, keys), resolve=True, throw_on_missing=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _run_id(*, _root_: Any) -> str:
    from ufo_rl.config.identity import run_id  # --help needs no identity, nor the types behind it

    return run_id(plain_config(_root_))


def _home(path: Any) -> Any:
    """The path with ~ read; what is no path stands as it is, and validation says so."""
    return os.path.expanduser(path) if isinstance(path, str) else path


def _rollout_here(device: Any, slurm: Any = None) -> str:
    """vllm_colocate where vLLM is installed and there are GPUs: those that a job of SLURM gets, that launch.device asks for, or
    that this machine has."""
    if slurm is not None:  # said of the job's hosts: the one that submits it has other devices
        has_gpus = device != "cpu" and slurm.get("gpus_per_node") != 0
    else:
        has_gpus = device == "cuda" or (device == "auto" and not why_no_gpu())
    return "vllm_colocate" if has_gpus and importlib.util.find_spec("vllm") is not None else "hf"


# Of Hydra's output folders and of conf/. At import, because launchers unpickle their jobs in processes of their own.
OmegaConf.register_new_resolver("run_id", _run_id, replace=True)
OmegaConf.register_new_resolver("home", _home, replace=True)
OmegaConf.register_new_resolver("this_host", lambda num_nodes: this_host(num_nodes, os.environ), replace=True)
OmegaConf.register_new_resolver("meeting_point", lambda num_nodes: meeting_point(num_nodes, os.environ), replace=True)
OmegaConf.register_new_resolver("rollout_here", _rollout_here, replace=True)


def compose_jobs(
    overrides: Sequence[str], config_dir: str | None = None, config_name: str | None = None, multirun: bool = False
) -> list[Job]:
    """The jobs of the command line with every option and key checked, values not yet."""
    with open_tree(config_dir, config_name) as tree:
        parsed = tree.parse(overrides)
        check_names(tree, parsed)
        sweep = sweep_of(tree, parsed, multirun)
        swept = [override for override in parsed if override.is_sweep_override()]
        if sweep is None and swept:
            cure = "several values; add -m to run them all, or quote one value"
            problems = Problems(f"{override.input_line}: {cure}" for override in swept)
            problems.attempt(job_configs, tree, [[*map(first_of, parsed)]], parsed)
            problems.raise_any()
        return _jobs(tree, parsed, sweep, _flags(config_dir, config_name))


def compose_one(overrides: Sequence[str], config_dir: str | None, config_name: str | None, command: str) -> Job:
    """The only job of the command line, for a command that takes one configuration."""
    with open_tree(config_dir, config_name) as tree:
        parsed = tree.parse(overrides)
        check_names(tree, parsed)
        sweep = sweep_of(tree, parsed, multirun=False)
        asked = {override.get_key_element(): override for override in sweep or parsed}
        swept = [override for override in asked.values() if override.is_sweep_override()]
        if sweep is not None and swept:
            keys = ", ".join(f"{override.key_or_group}=..." for override in swept)
            raise UserError(f"{command}: {tree.name} is a sweep, and one configuration is asked; choose {keys}")
        if swept:
            raise UserError(*[f"{override.input_line}: several values; {command} takes one" for override in swept])
        (job,) = _jobs(tree, parsed, sweep, _flags(config_dir, config_name))
        if asks_slurm(job.plain):
            raise UserError(f"{command}: {NO_COMMAND}")
        return job


def for_hydra(overrides: Sequence[str], config_dir: str | None, config_name: str | None) -> list[str]:
    """Sound overrides in the words that Hydra itself takes for them."""
    with open_tree(config_dir, config_name) as tree:
        return [tree.in_hydras_words(text) for text in overrides]


def _flags(config_dir: str | None, config_name: str | None) -> tuple[str, ...]:
    return (*(["-cd", config_dir] if config_dir else []), *(["-cn", config_name] if config_name else []))


def _jobs(
    tree: Tree, overrides: Sequence[Override], sweep: Sequence[Override] | None, flags: tuple[str, ...]
) -> list[Job]:
    if sweep is None:
        texts = [[str(override.input_line) for override in overrides]]
    else:
        texts = grid(sweep) if (is_grid := runs_grid(tree, sweep)) else [[first_of(override) for override in sweep]]
    params = sweep[: len(sweep) - len(overrides)] if sweep is not None else []
    choice = choose_model(tree, overrides, params, [tree.parse(words) for words in texts])
    added = tree.parse(choice.added)
    own = {one.key_or_group for one in added}
    texts = [[*(word for word in words if word.split("=")[0] not in own), *choice.added] for words in texts]
    found, problems = job_configs(tree, texts, [*(sweep or overrides), *added]), Problems()
    swept = {override.get_key_element() for override in sweep or () if override.is_sweep_override()}
    jobs = []
    for number, (cfg, words) in enumerate(zip(found, texts, strict=True)):
        told = " ".join(word for word in words if word.split("=")[0] in swept)
        plain = problems.attempt(_plain, cfg)
        number_there = None if sweep is None else number
        folder = None if plain is None else problems.attempt(job_folder, tree, cfg, words, number_there)
        if plain is not None and folder is not None:
            is_asked = "submitit" not in str(cfg.hydra.launcher._target_) and not asks_slurm(plain)
            is_here = is_asked or is_own_job(os.environ)
            is_sample = sweep is not None and not is_grid
            notice = in_words(plain) if cfg.hydra.runtime.choices.get("model") == CUSTOM else ""
            is_known = not names_a_moment(cfg, number_there)
            is_named = any(word.lstrip("+").startswith("rollout.name=") for word in words)
            is_found = cfg.hydra.runtime.choices.get("rollout") == "auto" and not is_named
            whole = tuple(words)
            jobs.append(Job(plain, folder, told, is_here, is_sample, whole, choice, notice, is_known, flags, is_found))
    problems.raise_any()
    return jobs


def _plain(cfg: DictConfig) -> dict[str, Any]:
    try:
        with plainly():
            return plain_config(cfg)
    except UserError:
        problems = [
            f"{key} is missing: set {key}=VALUE, or give it in its file"
            for key, value in flat_keys(OmegaConf.to_container(cfg, resolve=False))
            if value == MISSING and not key.startswith("hydra.")
        ]
        if not problems:
            raise
        raise UserError(*problems) from None


def tell(jobs: Sequence[Job]) -> None:
    """A line a model that was given by its path: what it runs with."""
    for notice in dict.fromkeys(job.notice for job in jobs if job.notice):
        sys.stderr.write(f"ufo-rl: {notice}\n")
