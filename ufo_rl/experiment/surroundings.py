"""The folders and services that a run needs: for results, data, the model, W&B."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from ufo_rl.config.schema import Config
from ufo_rl.errors import Problems, UserError
from ufo_rl.model.engine.vllm_fields import vllm_problems
from ufo_rl.model.weights import local_folder


def check_places(config: Config, wrong: Collection[str] = ()) -> None:
    """The folders for results and data, the model's folder, its engine's arguments, and W&B's key must be right."""
    problems = Problems()
    if not {"paths", "plugins"} & set(wrong):
        problems.attempt(check_outputs, Path(config.paths.outputs))
        if not has_data(config, wrong):
            problems.add(
                f"paths.data={config.data} is no folder; set UFO_RL_DATA or paths.data to the folder of local "
                "dataset files, or unset it to load from the Hugging Face hub"
            )
    if "model" not in wrong:
        problems.attempt(local_folder, config.model)
    if not {"engine", "signal"} & set(wrong):
        problems.add(*vllm_problems(config.engine, _runs_vllm(config)))
    if "tracker" not in wrong and config.tracker.mode in ("online", "offline"):
        problems.attempt(_check_tracker, config)
    problems.raise_any()


def _runs_vllm(config: Config) -> bool:
    return config.engine.name == "vllm" or any(node.get("engine") == "vllm" for node in config.signal.values())


def has_data(config: Config, wrong: Collection[str] = ()) -> bool:
    """Whether datasets can be looked for: the folder of local files is there, or none is named."""
    return not {"paths", "plugins"} & set(wrong) and (config.data is None or config.data.is_dir())


def check_outputs(folder: Path) -> None:
    """The folder for results must be there or be creatable."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "cannot be written to" if there.is_dir() else "is no folder"
        raise UserError(f"paths.outputs={folder} cannot be used: {there} {what}; choose another place")


def _check_tracker(config: Config) -> None:
    from ufo_rl.tracking.mode import check_tracker  # only where it is asked for by name: it imports wandb

    tracker = config.tracker
    check_tracker(tracker.mode, tracker.project, tracker.tags, Path(config.paths.outputs))
